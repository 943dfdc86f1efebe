# `just` lists the recipes. `just ci` is what runs before a change lands.

_default:
    @just --list --unsorted

# everything CI runs
ci:
    .ci/run

# the tests that need only Rust
test *ARGS:
    cargo test --workspace {{ ARGS }}

# formatting, lints, licences
lint:
    .ci/run fmt clippy deny

# bursar against other people's sellers, facilitators, keyring and clients; `just peers python` for one of them
peers *NAMES:
    tests/peers/run {{ NAMES }}

# the oldest Rust, Windows and macOS: does it compile there?
portable *ARGS:
    .ci/portable {{ ARGS }}

# every parser, fuzzed: seconds for each of them, and which
fuzz *ARGS:
    fuzz/run {{ ARGS }}

# play money, start to end
demo:
    cargo run --release -- demo

# every kind of fault, how often, and whether a promise broke; the table goes into docs/promises.md
bar FORM="short":
    tests/bar/run {{ FORM }} write

# the benchmarks
bench:
    cargo bench --workspace

# known vulnerabilities in what we depend on (fetches the advisory database)
advisories:
    cargo deny check advisories
