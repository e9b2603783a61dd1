//! A wire between two servers that can be cut: connections to a port of its own go on to another.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

pub struct Link {
    pub port: u16,
    whole: Arc<watch::Sender<bool>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Link {
    /// Connections come from `source`, so that several routers of one machine have an address each.
    pub async fn start(source: Ipv4Addr, to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let port = listener.local_addr().expect("an address").port();
        let whole = Arc::new(watch::Sender::new(true));
        let wire = whole.clone();
        let serving = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut state = wire.subscribe();
                if !*state.borrow_and_update() {
                    continue;
                }
                tokio::spawn(async move {
                    let socket = TcpSocket::new_v4().expect("a socket");
                    socket.bind((source, 0).into()).expect("every 127.x.y.z is ours");
                    let Ok(mut far) = socket.connect((Ipv4Addr::LOCALHOST, to).into()).await else { return };
                    tokio::select! {
                        // Whichever end closes, or the cut, ends both.
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = state.wait_for(|whole| !whole) => {}
                    }
                });
            }
        });
        Self { port, whole, serving }
    }

    /// Ends all connections and takes no new ones.
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    pub fn mend(&self) {
        self.whole.send_replace(true);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.cut();
        self.serving.abort();
    }
}
