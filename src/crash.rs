//! Named places where a test may stop the program dead, as a power cut would. Releases have none.

/// Every place a purchase passes, in order.
pub const POINTS: [&str; 12] = [
    "asked",
    "decided",
    "signed",
    "claimed",
    "authorized",
    "loaded",
    "heard",
    "answered",
    "kept",
    "closing",
    "closed",
    "told",
];
/// And those it passes when it is taken up again.
pub const POINTS_AGAIN: [&str; 2] = ["resumed", "moved"];

/// Those that a sign-in passes, in order.
pub const POINTS_SIGN_IN: [&str; 3] = ["sign_in_signed", "sign_in_recorded", "sign_in_answered"];

/// Those that a change of the owner's passphrase or of the policy in force passes, in order.
pub const POINTS_OWNER: [&str; 5] =
    ["policy_written", "owner_planned", "owner_sealed", "owner_written", "owner_changed"];

/// Where `BURSAR_CRASH_AT` names this place, the process ends here: no destructors, nothing flushed.
#[cfg(debug_assertions)]
pub fn point(name: &'static str) {
    let mut known = POINTS.iter().chain(&POINTS_AGAIN).chain(&POINTS_SIGN_IN).chain(&POINTS_OWNER);
    debug_assert!(known.any(|point| *point == name), "{name} is no crash point");
    if std::env::var_os("BURSAR_CRASH_AT").is_some_and(|at| at == name) {
        std::process::abort();
    }
}

/// Nothing, in a release.
#[cfg(not(debug_assertions))]
pub fn point(_: &'static str) {}
