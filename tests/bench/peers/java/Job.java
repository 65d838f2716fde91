import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpRequest;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;

/** What a peer is handed, one call's request, and how its answer becomes events; the same as in common.py. */
public record Job(
    String brokers,
    @JsonProperty("model_url") String modelUrl,
    String topic,
    String out,
    String group,
    int partitions,
    String head,
    String tail,
    int concurrency,
    int batch,
    @JsonProperty("linger_seconds") double lingerSeconds,
    @JsonProperty("session_seconds") double sessionSeconds)
    implements Serializable {

  static final ObjectMapper JSON =
      new ObjectMapper().configure(DeserializationFeature.FAIL_ON_NULL_CREATOR_PROPERTIES, false);

  enum Intent { A, B, Z }

  enum Sentiment { N, E, P, Z }

  enum Sure { high, medium, low }

  record Item(
      String ref,
      Intent intent,
      Sentiment sentiment,
      @JsonProperty("order_id") String orderId,
      String amount,
      Sure sure) {}

  record Reply(List<Item> r) {}

  /** A record's place and value. */
  public record Source(int partition, long offset, byte[] key, byte[] value) implements Serializable {}

  static Job read(String path) throws IOException {
    return JSON.readValue(Files.readString(Path.of(path)), Job.class);
  }

  /** One call: its sources, the messages in them and the refs they are asked under. */
  final class Call {
    private final List<? extends Source> sources;
    private final List<String> refs = new ArrayList<>();
    private final List<JsonNode> messages = new ArrayList<>();

    Call(List<? extends Source> sources) {
      this.sources = sources;
      try {
        for (Source source : sources) {
          messages.add(JSON.readTree(source.value()));
          refs.add(Integer.toHexString(ThreadLocalRandom.current().nextInt(0x10000, 0x100000)));
        }
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
    }

    HttpRequest request() {
      ArrayNode items = JSON.createArrayNode();
      for (int place = 0; place < sources.size(); place++) {
        items.addObject().put("ref", refs.get(place)).put("text", messages.get(place).get("body").asText());
      }
      try {
        String content = JSON.writeValueAsString(JSON.writeValueAsString(JSON.createObjectNode().set("items", items)));
        byte[] body = (head + content + tail).getBytes(StandardCharsets.UTF_8);
        return HttpRequest.newBuilder(URI.create(modelUrl + "/chat/completions"))
            .timeout(Duration.ofSeconds(30))
            .header("content-type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofByteArray(body))
            .build();
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
    }

    /** An event per source, in order. */
    List<byte[]> events(byte[] content) {
      try {
        String text = JSON.readTree(content).get("choices").get(0).get("message").get("content").asText();
        Map<String, Item> byRef = new HashMap<>();
        for (Item item : JSON.readValue(text, Reply.class).r()) {
          byRef.put(item.ref(), item);
        }
        List<byte[]> events = new ArrayList<>();
        for (int place = 0; place < sources.size(); place++) {
          events.add(event(sources.get(place), messages.get(place), byRef.get(refs.get(place))));
        }
        return events;
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
    }

    private byte[] event(Source source, JsonNode message, Item answer) throws IOException {
      String place = topic + "/" + source.partition() + "/" + source.offset();
      ObjectNode event = JSON.createObjectNode();
      event.put("id", UUID.nameUUIDFromBytes(place.getBytes(StandardCharsets.UTF_8)).toString());
      event.putObject("message").put("id", message.get("id").asText());
      event.putObject("source").put("topic", topic).put("partition", source.partition()).put("offset", source.offset());
      event.put("intent", answer.intent().name()).put("sentiment", answer.sentiment().name());
      event.put("order_id", answer.orderId()).put("amount", answer.amount()).put("model", "bench");
      return JSON.writeValueAsBytes(event);
    }
  }
}
