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

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn tcp_notices_a_router_that_is_gone() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (_router, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (stream, _) = accepted.expect("a connection");
        let told = |stream: &TcpStream| {
            let socket = SockRef::from(stream);
            (socket.keepalive().expect("told"), socket.tcp_keepalive_time().expect("told"))
        };
        assert!(!told(&stream).0);
        keep_alive(&stream).expect("set");
        assert_eq!(told(&stream), (true, QUIET));
    }
}
