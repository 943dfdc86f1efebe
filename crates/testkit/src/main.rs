//! Makes what takes long to come about by itself.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use bursar::config::Home;
use testkit::rate::{self, Rate};
use testkit::years::Years;

const USAGE: &str = "\
testkit ledger --purchases N [--alike N --wish URL] [--held N] DIR

Makes DIR/ledger.db with so many purchases of a year that is over, which the audit finds in order:
  --alike N   so many of them, by agent-0, bought one and the same thing
  --wish URL  that thing
  --held N    so many of them are paid for, and nobody knows whether that was taken

A million takes five minutes and 8 GB.

testkit rate --place URL_OR_DIR [--schema S] [--processes N] [--each N] [--at-once N]

How many authorizations a second one wallet can do.";

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("rate-one") => {
            let number = |nth: usize| args[nth].parse().expect("a number");
            rate::one(&args[1], &args[2], number(3), number(4), number(5)).await;
            return ExitCode::SUCCESS;
        }
        Some("rate") => {
            let of = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1)).cloned();
            let number = |name, or| of(name).map_or(or, |text| text.parse().expect("a number"));
            let Some(place) = of("--place") else {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            };
            let rate = Rate {
                place,
                schema: of("--schema").unwrap_or_else(|| "rate".to_owned()),
                processes: number("--processes", 8),
                each: number("--each", 500),
                at_once: number("--at-once", 16),
            };
            println!("{:.0} authorizations a second by {} processes", rate.run(), rate.processes);
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let Some((years, dir)) = read(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let began = Instant::now();
    let home = Home::at(dir);
    home.prepare().expect("a home");
    let file = home.ledger_file();
    if file.exists() {
        eprintln!("{} is there already; nothing was written", file.display());
        return ExitCode::FAILURE;
    }
    let purchases = years.purchases;
    years.write(&file, &home.leases_dir()).await;
    let size = std::fs::metadata(&file).map_or(0, |file| file.len() >> 20);
    println!("{}: {purchases} purchases, {size} MiB, in {:.1?}", file.display(), began.elapsed());
    ExitCode::SUCCESS
}

fn read(mut args: impl Iterator<Item = String>) -> Option<(Years, PathBuf)> {
    if args.next()? != "ledger" {
        return None;
    }
    let mut years = Years { wish: "https://site-0.example/again".to_owned(), ..Years::default() };
    let mut dir = None;
    while let Some(arg) = args.next() {
        let of = match arg.as_str() {
            "--wish" => {
                years.wish = args.next()?;
                continue;
            }
            "--purchases" => &mut years.purchases,
            "--alike" => &mut years.alike,
            "--held" => &mut years.held,
            _ if dir.is_none() && !arg.starts_with('-') => {
                dir = Some(PathBuf::from(arg));
                continue;
            }
            _ => return None,
        };
        *of = args.next()?.parse().ok()?;
    }
    (years.purchases > 0).then_some((years, dir?))
}
