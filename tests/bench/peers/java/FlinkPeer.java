import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.ExternalizedCheckpointRetention;
import org.apache.flink.configuration.StateRecoveryOptions;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.streaming.api.datastream.AsyncDataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.async.ResultFuture;
import org.apache.flink.streaming.api.functions.async.RichAsyncFunction;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * Flink: a source, batches in keyed state, async I/O, an exactly-once sink; a cluster of one process.
 *
 * <p>Events become visible with each checkpoint (every second). A new process starts from the last checkpoint of the old one.
 */
public final class FlinkPeer {
  private static final int PARALLELISM = 2;
  private static final TypeInformation<Job.Source> SOURCE = TypeInformation.of(Job.Source.class);

  /** An event and the key of its record. */
  public record Event(byte[] key, byte[] value) {}

  public static void main(String[] arguments) throws Exception {
    Job job = Job.read(arguments[0]);
    Path checkpoints = Path.of(arguments[0] + ".checkpoints").toAbsolutePath();
    Configuration settings = new Configuration();
    settings.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, checkpoints.toUri().toString());
    settings.set(
        CheckpointingOptions.EXTERNALIZED_CHECKPOINT_RETENTION, ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION);
    last(checkpoints).ifPresent(path -> settings.set(StateRecoveryOptions.SAVEPOINT_PATH, path.toUri().toString()));
    StreamExecutionEnvironment flink = StreamExecutionEnvironment.createLocalEnvironment(PARALLELISM, settings);
    flink.enableCheckpointing(1000, CheckpointingMode.EXACTLY_ONCE);

    var batches =
        flink
            .fromSource(source(job), WatermarkStrategy.noWatermarks(), "records")
            .uid("records")
            .keyBy(Job.Source::partition)
            .process(new Batches(job.batch(), (long) (job.lingerSeconds() * 1000)))
            .uid("batches")
            .returns(Types.LIST(SOURCE));
    AsyncDataStream.unorderedWait(batches, new Ask(job), 60, TimeUnit.SECONDS, job.concurrency() / PARALLELISM)
        .uid("model")
        .returns(TypeInformation.of(Event.class))
        .sinkTo(sink(job))
        .uid("events");
    flink.execute(job.group());
  }

  /** The newest complete checkpoint that an earlier process left, if there is one. */
  private static Optional<Path> last(Path checkpoints) throws IOException {
    if (!Files.isDirectory(checkpoints)) {
      return Optional.empty();
    }
    try (Stream<Path> files = Files.walk(checkpoints)) {
      return files
          .filter(path -> path.getFileName().toString().equals("_metadata"))
          .max(Comparator.comparing((Path path) -> path.toFile().lastModified()))
          .map(Path::getParent);
    }
  }

  private static KafkaSource<Job.Source> source(Job job) {
    return KafkaSource.<Job.Source>builder()
        .setBootstrapServers(job.brokers())
        .setTopics(job.topic())
        .setGroupId(job.group())
        .setStartingOffsets(OffsetsInitializer.earliest())
        .setDeserializer(new Records())
        .build();
  }

  private static KafkaSink<Event> sink(Job job) {
    String out = job.out();
    Properties settings = new Properties();
    settings.put("transaction.timeout.ms", "60000");
    settings.put("compression.type", "zstd");
    settings.put("linger.ms", "5");
    return KafkaSink.<Event>builder()
        .setBootstrapServers(job.brokers())
        .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE)
        .setTransactionalIdPrefix(job.group())
        .setKafkaProducerConfig(settings)
        .setRecordSerializer(
            (KafkaRecordSerializationSchema<Event>)
                (event, context, timestamp) -> new ProducerRecord<>(out, event.key(), event.value()))
        .build();
  }

  private static final class Records implements KafkaRecordDeserializationSchema<Job.Source> {
    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Job.Source> out) {
      out.collect(new Job.Source(record.partition(), record.offset(), record.key(), record.value()));
    }

    @Override
    public TypeInformation<Job.Source> getProducedType() {
      return SOURCE;
    }
  }

  /** So many records of a partition, or those that came within the linger time. */
  private static final class Batches extends KeyedProcessFunction<Integer, Job.Source, List<Job.Source>> {
    private final int most;
    private final long lingerMillis;
    private transient ListState<Job.Source> waiting;
    private transient ValueState<Integer> count;
    private transient ValueState<Long> due;

    Batches(int most, long lingerMillis) {
      this.most = most;
      this.lingerMillis = lingerMillis;
    }

    @Override
    public void open(OpenContext context) {
      waiting = getRuntimeContext().getListState(new ListStateDescriptor<>("waiting", SOURCE));
      count = getRuntimeContext().getState(new ValueStateDescriptor<>("count", Integer.class));
      due = getRuntimeContext().getState(new ValueStateDescriptor<>("due", Long.class));
    }

    @Override
    public void processElement(Job.Source record, Context context, Collector<List<Job.Source>> out) throws Exception {
      int held = count.value() == null ? 1 : count.value() + 1;
      waiting.add(record);
      count.update(held);
      if (held >= most) {
        context.timerService().deleteProcessingTimeTimer(due.value());
        flush(out);
      } else if (held == 1) {
        due.update(context.timerService().currentProcessingTime() + lingerMillis);
        context.timerService().registerProcessingTimeTimer(due.value());
      }
    }

    @Override
    public void onTimer(long at, OnTimerContext context, Collector<List<Job.Source>> out) throws Exception {
      flush(out);
    }

    private void flush(Collector<List<Job.Source>> out) throws Exception {
      List<Job.Source> batch = new ArrayList<>();
      waiting.get().forEach(batch::add);
      waiting.clear();
      count.clear();
      due.clear();
      if (!batch.isEmpty()) {
        out.collect(batch);
      }
    }
  }

  /** One call for each batch; limits are obeyed by waiting for as long as the 429 says. */
  private static final class Ask extends RichAsyncFunction<List<Job.Source>, Event> {
    private final Job job;
    private transient HttpClient client;

    Ask(Job job) {
      this.job = job;
    }

    @Override
    public void open(OpenContext context) {
      client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    }

    @Override
    public void asyncInvoke(List<Job.Source> batch, ResultFuture<Event> result) {
      send(batch, job.new Call(batch), result);
    }

    private void send(List<Job.Source> batch, Job.Call call, ResultFuture<Event> result) {
      client
          .sendAsync(call.request(), HttpResponse.BodyHandlers.ofByteArray())
          .whenComplete(
              (response, error) -> {
                if (error != null) {
                  result.completeExceptionally(error);
                } else if (response.statusCode() == 200) {
                  complete(batch, call, response.body(), result);
                } else if (response.statusCode() == 429 || response.statusCode() >= 500) {
                  long millis = response.headers().firstValueAsLong("retry-after-ms").orElse(500);
                  Executor later = CompletableFuture.delayedExecutor(millis, TimeUnit.MILLISECONDS);
                  later.execute(() -> send(batch, call, result));
                } else {
                  String said = new String(response.body(), StandardCharsets.UTF_8);
                  result.completeExceptionally(new IllegalStateException("the model refuses: " + said));
                }
              });
    }

    private static void complete(List<Job.Source> batch, Job.Call call, byte[] body, ResultFuture<Event> result) {
      try {
        List<byte[]> values = call.events(body);
        Collection<Event> events = new ArrayList<>();
        for (int place = 0; place < values.size(); place++) {
          events.add(new Event(batch.get(place).key(), values.get(place)));
        }
        result.complete(events);
      } catch (RuntimeException error) {
        result.completeExceptionally(error);
      }
    }
  }
}
