//! Named places where a test may stop the program dead, as a power cut would. Releases have none.

/// Every place there is, in the order a purchase passes them.
pub const POINTS: [&str; 11] =
    ["asked", "decided", "signed", "claimed", "authorized", "loaded", "answered", "kept", "closed", "told", "moved"];

/// Where `BURSAR_CRASH_AT` names this place, the process ends here: no destructors, nothing flushed.
#[cfg(debug_assertions)]
pub fn point(name: &'static str) {
    debug_assert!(POINTS.contains(&name), "{name} is no crash point");
    if std::env::var_os("BURSAR_CRASH_AT").is_some_and(|at| at == name) {
        std::process::abort();
    }
}

#[cfg(not(debug_assertions))]
pub fn point(_: &'static str) {}
