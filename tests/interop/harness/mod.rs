//! What starts real servers and programs, waits for them, and stops them whatever happens.

pub mod bgpwarden;
pub mod collector;
pub mod link;
pub mod parts;
pub mod process;
pub mod random;
pub mod ris_live;
pub mod webhook;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Looks every 20 ms until there is an answer; `what` is what the failure says was waited for.
pub async fn until<T>(what: &str, secs: u64, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(secs);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {secs} s in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A port of loopback that nobody has, and that no other call of this process was given.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = listener.local_addr().expect("an address").port();
        if GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
            return port;
        }
    }
}

/// Whether somebody listens there.
pub fn listens(port: u16) -> Option<()> {
    std::net::TcpStream::connect(("127.0.0.1", port)).ok().map(|_| ())
}

/// The middle one of several measurements.
pub fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// How often something is repeated: few times where time is short, more where the environment says so.
pub fn times(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().map_or(default, |text| text.parse().expect("a number"))
}
