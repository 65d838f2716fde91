import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.CommitMode;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Confluent Parallel Consumer: batches, as many threads as calls, results produced by the library.
 *
 * <p>The first argument is the mode: at-least-once or transactional.
 */
public final class ParallelConsumerPeer {
  public static void main(String[] arguments) throws IOException {
    boolean transactional = arguments[0].equals("transactional");
    Job job = Job.read(arguments[1]);
    HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    var options =
        ParallelConsumerOptions.<byte[], byte[]>builder()
            .consumer(consumer(job))
            .producer(producer(job, transactional))
            .ordering(ProcessingOrder.UNORDERED)
            .maxConcurrency(job.concurrency())
            .batchSize(job.batch())
            .commitInterval(Duration.ofMillis(200))
            .commitMode(
                transactional
                    ? CommitMode.PERIODIC_TRANSACTIONAL_PRODUCER
                    : CommitMode.PERIODIC_CONSUMER_ASYNCHRONOUS)
            .allowEagerProcessingDuringTransactionCommit(transactional)
            .build();
    var processor = ParallelStreamProcessor.createEosStreamProcessor(options);
    processor.subscribe(List.of(job.topic()));
    processor.pollAndProduceMany(
        context -> {
          List<ConsumerRecord<byte[], byte[]>> records = context.getConsumerRecordsFlattened();
          List<byte[]> events = ask(client, job, records);
          List<ProducerRecord<byte[], byte[]>> produced = new ArrayList<>();
          for (int place = 0; place < records.size(); place++) {
            produced.add(new ProducerRecord<>(job.out(), records.get(place).key(), events.get(place)));
          }
          return produced;
        });
  }

  private static List<byte[]> ask(HttpClient client, Job job, List<ConsumerRecord<byte[], byte[]>> records) {
    List<Job.Source> sources = new ArrayList<>();
    for (var record : records) {
      sources.add(new Job.Source(record.partition(), record.offset(), record.key(), record.value()));
    }
    Job.Call call = job.new Call(sources);
    try {
      while (true) {
        HttpResponse<byte[]> response = client.send(call.request(), HttpResponse.BodyHandlers.ofByteArray());
        if (response.statusCode() == 200) {
          return call.events(response.body());
        }
        if (response.statusCode() != 429 && response.statusCode() < 500) {
          throw new IllegalStateException("the model refuses: " + response.statusCode());
        }
        Thread.sleep(response.headers().firstValueAsLong("retry-after-ms").orElse(500));
      }
    } catch (IOException | InterruptedException error) {
      throw new IllegalStateException(error);
    }
  }

  private static KafkaConsumer<byte[], byte[]> consumer(Job job) {
    int session = (int) (job.sessionSeconds() * 1000);
    Map<String, Object> settings = new HashMap<>();
    settings.put("bootstrap.servers", job.brokers());
    settings.put("group.id", job.group());
    settings.put("enable.auto.commit", false);
    settings.put("auto.offset.reset", "earliest");
    settings.put("isolation.level", "read_committed");
    settings.put("session.timeout.ms", session);
    settings.put("heartbeat.interval.ms", session / 5);
    return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }

  private static KafkaProducer<byte[], byte[]> producer(Job job, boolean transactional) {
    Map<String, Object> settings = new HashMap<>();
    settings.put("bootstrap.servers", job.brokers());
    settings.put("linger.ms", 5);
    settings.put("compression.type", "zstd");
    if (transactional) {
      settings.put("transactional.id", job.group());
    }
    return new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
  }
}
