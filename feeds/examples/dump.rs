use feeds::input::{Use, open};
use rules::event::Event;
use std::io::Write;
fn main() {
    let path = std::env::args().nth(1).unwrap();
    let mut out = std::io::BufWriter::new(std::io::stdout());
    let mut vps = Vec::new();
    for item in open(&path, Use::Updates).unwrap() {
        let t = item.time.secs();
        match item.event {
            Event::Vantage(_, p) => vps.push(p),
            Event::Update(u) | Event::Seed(u) => {
                let p = &vps[u.vantage.0 as usize];
                for w in &u.withdrawn {
                    writeln!(out, "{t}|W|{}|{}|{}", p.peer_address, p.peer_as.0, w.prefix).unwrap();
                }
                for a in &u.announced {
                    writeln!(out, "{t}|A|{}|{}|{}|{}", p.peer_address, p.peer_as.0, a.prefix, u.attributes.as_path)
                        .unwrap();
                }
            }
            _ => {}
        }
    }
}
