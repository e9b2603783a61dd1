//! Apache Kafka: one node of KRaft with a plain listener and one with TLS and SCRAM.

use std::collections::BTreeMap;
use std::path::Path;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{Consumer, StreamConsumer};
use serde_json::Value;
use tempfile::TempDir;

use super::certificates;
use crate::harness::parts::{Part, program};
use crate::harness::process::{Process, tool};
use crate::harness::{free_port, listens, until};

pub const PARTS: [Part; 5] =
    [Part::Kafka, Part::Command("java"), Part::Command("kcat"), Part::Command("openssl"), Part::Command("setpriv")];
pub const USER: &str = "bgpwarden";
pub const PASSWORD: &str = "right";

pub struct Kafka {
    folder: TempDir,
    process: Process,
    plain_port: u16,
    tls_port: u16,
}

/// What kcat says of one message.
#[derive(Clone, Debug)]
pub struct Message {
    pub key: String,
    pub headers: BTreeMap<String, String>,
    pub alert: Value,
}

impl Message {
    /// What makes it one of its kind: (id, sequence).
    pub fn name(&self) -> (String, u64) {
        let id = self.alert["id"].as_str().unwrap_or_default().to_owned();
        (id, self.alert["sequence"].as_u64().unwrap_or_default())
    }
}

impl Kafka {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let [plain_port, tls_port, controller_port] = [free_port(), free_port(), free_port()];
        certificates::write(folder.path());
        let text = properties(folder.path(), plain_port, tls_port, controller_port);
        std::fs::write(folder.path().join("server.properties"), text).expect("written");
        let user = format!("SCRAM-SHA-512=[name={USER},password={PASSWORD}]");
        let format = ["format", "-t", "AAAAAAAAQACAAAAAAAAAAQ", "-c", "server.properties", "--add-scram", &user];
        let classes = classes();
        let java = ["-cp", &classes, "kafka.tools.StorageTool"];
        let mut formatting =
            Process::start("format", folder.path(), &program(Part::Command("java")), java.into_iter().chain(format));
        let status = until("Kafka's storage is formatted", 60, async || formatting.ended()).await;
        assert!(status.success(), "{}", formatting.said());
        let process = broker(folder.path());
        let mut kafka = Self { folder, process, plain_port, tls_port };
        kafka.answers().await;
        kafka
    }

    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.plain_port)
    }

    pub fn tls_brokers(&self) -> String {
        format!("localhost:{}", self.tls_port)
    }

    /// The properties of librdkafka for the listener with TLS. Debian's kcat (librdkafka 2.0.2) is
    /// refused by its SCRAM.
    pub fn tls_properties(&self, password: &str) -> Vec<(&'static str, String)> {
        vec![
            ("security.protocol", "sasl_ssl".to_owned()),
            ("sasl.mechanism", "SCRAM-SHA-512".to_owned()),
            ("sasl.username", USER.to_owned()),
            ("sasl.password", password.to_owned()),
            ("ssl.ca.location", self.folder.path().join("ca.pem").display().to_string()),
        ]
    }

    /// Takes the broker away without a word.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again with what it had on disk.
    pub async fn start_again(&mut self) {
        self.process = broker(self.folder.path());
        self.answers().await;
    }

    async fn answers(&mut self) {
        let address = self.brokers();
        until("Kafka answers", 60, async || {
            self.process.assert_alive();
            listens(self.plain_port)?;
            tool("kcat", ["-b", &address, "-L", "-m", "5"], 10).ok().map(|_| ())
        })
        .await;
    }

    /// Every message of a topic so far, in the order of each partition, read by kcat.
    pub fn messages(&self, topic: &str) -> Vec<Message> {
        let args = ["-q", "-C", "-e", "-J", "-o", "beginning", "-t", topic, "-b", &self.brokers()];
        let text = tool("kcat", args, 60).unwrap_or_else(|error| panic!("{error}"));
        text.lines().map(message).collect()
    }

    /// The same, or none if there is no such topic yet.
    pub fn messages_if_there(&self, topic: &str) -> Vec<Message> {
        let listed = tool("kcat", ["-b", &self.brokers(), "-L", "-J"], 10).unwrap_or_default();
        if listed.contains(&format!("\"{topic}\"")) { self.messages(topic) } else { Vec::new() }
    }

    /// A setting of a topic.
    pub async fn topic_setting(&self, topic: &str, key: &str) -> String {
        let answer = self.admin().describe_configs(&[ResourceSpecifier::Topic(topic)], &AdminOptions::new()).await;
        let resource = answer.expect("an answer").pop().expect("one resource").expect("the topic is there");
        resource.entry_map().get(key).and_then(|entry| entry.value.clone()).expect("the setting is there")
    }

    pub async fn create_topic(&self, topic: &str, partitions: i32) {
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        let results = self.admin().create_topics([&new], &AdminOptions::new()).await.expect("an answer");
        results.into_iter().for_each(|result| drop(result.expect("created")));
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client_config().create().expect("an admin client")
    }

    pub fn client_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.brokers());
        config
    }

    /// A consumer that sees each message as it arrives.
    pub fn consumer(&self, topic: &str) -> StreamConsumer {
        let mut config = self.client_config();
        config.set("group.id", format!("interop-{}", free_port())).set("auto.offset.reset", "earliest");
        config.set("fetch.wait.max.ms", "5").set("topic.metadata.refresh.interval.ms", "500");
        let consumer: StreamConsumer = config.create().expect("a consumer");
        consumer.subscribe(&[topic]).expect("subscribed");
        consumer
    }
}

/// One line of `kcat -J`.
fn message(line: &str) -> Message {
    let envelope: Value = serde_json::from_str(line).expect("kcat writes JSON");
    let words: Vec<_> = envelope["headers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let headers = words.chunks_exact(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect();
    let payload = envelope["payload"].as_str().unwrap_or("null");
    let alert = serde_json::from_str(payload).expect("the value is JSON");
    Message { key: envelope["key"].as_str().unwrap_or_default().to_owned(), headers, alert }
}

fn classes() -> String {
    format!("{}/*", program(Part::Kafka).display())
}

fn broker(folder: &Path) -> Process {
    let classes = classes();
    let quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn";
    let args = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", quiet, "-cp", &classes, "kafka.Kafka"];
    let args = args.into_iter().chain(["server.properties"]);
    Process::start("kafka", folder, &program(Part::Command("java")), args)
}

fn properties(folder: &Path, plain: u16, tls: u16, controller: u16) -> String {
    let folder = folder.display();
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{plain},SASL_SSL://127.0.0.1:{tls},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},SASL_SSL://localhost:{tls}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={folder}/server.pem
log.dirs={folder}/kafka-logs
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
controlled.shutdown.enable=false
"
    )
}
