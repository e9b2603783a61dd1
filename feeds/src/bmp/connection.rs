//! How are octets read off a router's socket, and how is a dead one noticed?

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// Octets asked of the socket at once. With one incomplete message this is the most that waits: 1 MiB and 64 KiB.
const CHUNK: usize = 64 << 10;
/// BMP has no signs of life, so TCP has to notice a peer that is gone: after 60 s of silence, then 4 times in 60 s.
const QUIET: Duration = Duration::from_secs(60);
const PROBE: Duration = Duration::from_secs(15);
const PROBES: u32 = 4;

pub(super) fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    let keepalive = TcpKeepalive::new().with_time(QUIET).with_interval(PROBE).with_retries(PROBES);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

pub(super) struct Socket {
    stream: TcpStream,
    /// What was read and not worked off: less than one message, once all that is whole was taken.
    pub buffer: BytesMut,
}

impl Socket {
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: BytesMut::new() }
    }

    /// Waits for more; 0 at the end.
    pub async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(CHUNK);
        (&mut self.stream).take(CHUNK as u64).read_buf(&mut self.buffer).await
    }

    pub fn is_within_a_message(&self) -> bool {
        !self.buffer.is_empty()
    }
}
