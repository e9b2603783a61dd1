//! An OpenBMP collector: what a router says over BMP goes to Kafka as RouteViews publishes it.

use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use crate::servers::kafka::Kafka;

/// Octets of the BMP common header: version, length, type.
const COMMON: usize = 6;

pub struct Collector {
    /// Where the router connects.
    pub port: u16,
    serving: tokio::task::JoinHandle<()>,
}

impl Collector {
    pub async fn start(kafka: &Kafka, topic: &str, group: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let port = listener.local_addr().expect("an address").port();
        let mut config = kafka.client_config();
        // It holds what it has until the broker is back.
        config.set("message.timeout.ms", "120000").set("enable.idempotence", "true").set("linger.ms", "2");
        config.set("reconnect.backoff.max.ms", "500");
        let producer: FutureProducer = config.create().expect("a producer");
        let (topic, group) = (topic.to_owned(), group.to_owned());
        let serving = tokio::spawn(async move {
            while let Ok((router, _)) = listener.accept().await {
                // A router that goes away is waited for again.
                let _ = collect(router, &producer, &topic, &group).await;
            }
        });
        Self { port, serving }
    }
}

async fn collect(
    mut router: TcpStream,
    producer: &FutureProducer,
    topic: &str,
    group: &str,
) -> Result<(), std::io::Error> {
    loop {
        let mut message = vec![0; COMMON];
        router.read_exact(&mut message).await?;
        let length = u32::from_be_bytes([message[1], message[2], message[3], message[4]]) as usize;
        message.resize(length, 0);
        router.read_exact(&mut message[COMMON..]).await?;
        let value = openbmp(group, &message);
        // Handed over in order; what becomes of it is the broker's affair.
        let sent = producer.send_result(FutureRecord::to(topic).key("router").payload(&value));
        if let Err((_, record)) = sent {
            let _ = producer.send(record, Timeout::Never).await;
        }
    }
}

/// The binary header of OpenBMP 1.7 in front of a BMP message.
fn openbmp(group: &str, message: &[u8]) -> Vec<u8> {
    let now = jiff::Timestamp::now();
    let text = |text: &str| [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat();
    let rest = [
        // A router message, and raw BMP.
        &[0x80_u8, 12][..],
        &(now.as_second() as u32).to_be_bytes(),
        &(now.subsec_microsecond() as u32).to_be_bytes(),
        &[0x11; 16],
        &text("collector"),
        &[0x22; 16],
        // The address of the router, IPv4 in the first four octets.
        &[127, 0, 0, 31, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &text(group),
        &1_u32.to_be_bytes(),
    ]
    .concat();
    let header = 12 + rest.len();
    let lengths = [&(header as u16).to_be_bytes()[..], &(message.len() as u32).to_be_bytes()].concat();
    [b"OBMP\x01\x07", &lengths[..], &rest, message].concat()
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
