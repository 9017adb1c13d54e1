//! Random scenarios against a real kernel and the product: `make conformance [SEED=n] [COUNT=n]`, see docs/testing.md.

#[path = "runner/bursts.rs"]
mod bursts;
#[path = "conformance/guest.rs"]
mod guest;
#[path = "conformance/kernel.rs"]
mod kernel;
#[path = "runner/machine.rs"]
mod machine;
#[path = "runner/netfilter.rs"]
mod netfilter;
#[path = "runner/product.rs"]
mod product;
#[path = "conformance/recorder.rs"]
mod recorder;
mod runner;
#[path = "runner/check.rs"]
mod check;

fn main() -> std::process::ExitCode {
    if let Ok(d) = std::env::var("CONFORMANCE_RECORD") {
        return recorder::main(std::path::Path::new(&d));
    }
    let guest = guest::Guest::find(&std::env::temp_dir()).unwrap();
    let files: Vec<String> = std::env::args().skip(1).collect();
    let scenarios: Vec<serde_json::Value> = files.iter().map(|f| {
        let v: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(f).unwrap()).unwrap();
        if v["scenario"].is_null() { v } else { v["scenario"].clone() }
    }).collect();
    let t = std::time::Instant::now();
    let r = guest.record(&scenarios);
    println!("recorded {} in {:?}", r.len(), t.elapsed());
    for (f, r) in files.iter().zip(r) {
        match r {
            Err(e) => println!("{f}: no recording {e}"),
            Ok(c) => match check::check(&c, product::make, None) {
                Ok(_) => println!("{f}: same"),
                Err(e) => println!("{f}: {e}"),
            }
        }
    }
    std::process::ExitCode::SUCCESS
}
