//! A QR code for a telephone's camera: an address is too long to be typed.

use std::io::IsTerminal;

use anstyle::{AnsiColor, Style};
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

use crate::cli::out::Out;

/// Only where somebody could hold a camera to it. Black on white whatever the terminal's colours are: not every camera
/// reads the other way round.
pub fn show(text: &str, out: &Out) {
    if std::io::stdout().is_terminal() {
        lines(text).iter().for_each(|line| out.line(format_args!("  {line}")));
    }
}

/// As they stand in a terminal.
pub fn lines(text: &str) -> Vec<String> {
    let Ok(code) = QrCode::with_error_correction_level(text, EcLevel::L) else { return Vec::new() };
    let paper = Style::new().fg_color(Some(AnsiColor::Black.into())).bg_color(Some(AnsiColor::BrightWhite.into()));
    let drawn = code.render::<Dense1x2>().quiet_zone(true).build();
    drawn.lines().map(|line| format!("{paper}{line}{paper:#}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_square_that_fits_a_terminal() {
        let drawn = lines("0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913");
        let width = anstream::adapter::strip_str(&drawn[0]).to_string().chars().count();
        assert!(drawn.len() <= 22 && width <= 44, "{} by {width}", drawn.len());
    }
}
