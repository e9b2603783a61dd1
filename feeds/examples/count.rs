use feeds::input::{Use, open};
fn main() {
    for path in std::env::args().skip(1) {
        match open(&path, Use::Updates) {
            Ok(mut r) => {
                let t = std::time::Instant::now();
                let mut n = 0;
                for _ in r.by_ref() {
                    n += 1;
                }
                let c = r.counts();
                println!(
                    "{:60} el={} A={} W={} items={n} vps={} skipped={} errors={:?} {:?} {:?}",
                    path.rsplit("mrt/").next().unwrap(),
                    c.elements,
                    c.announced,
                    c.withdrawn,
                    r.vantage_points(),
                    c.skipped,
                    c.errors,
                    r.progress(),
                    t.elapsed()
                );
            }
            Err(e) => println!("{path}: {e}"),
        }
    }
}
