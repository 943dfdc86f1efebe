//! One purchase as a line of comma-separated values, safe to open in a spreadsheet.

use crate::answer::Row;

/// Never re-ordered: scripts and spreadsheets count columns.
const COLUMNS: [&str; 22] = [
    "purchase_id",
    "at",
    "agent",
    "session",
    "method",
    "url",
    "domain",
    "state",
    "delivered",
    "http_status",
    "amount_usd",
    "amount_atomic",
    "asset",
    "network",
    "payee",
    "dialect",
    "scheme",
    "chain_tx",
    "proof",
    "reasons",
    "goods",
    "machine",
];

pub fn header() -> String {
    COLUMNS.join(",")
}

pub fn line(row: &Row) -> String {
    let reasons: Vec<&str> = row.reasons.iter().map(|reason| reason.code.as_str()).collect();
    let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
    let fields: [String; COLUMNS.len()] = [
        row.purchase_id.clone(),
        row.at.to_string(),
        row.agent.clone(),
        or_empty(&row.session),
        row.method.clone(),
        row.url.clone(),
        row.domain.clone(),
        row.state.clone(),
        row.delivered.to_string(),
        row.http_status.map(|status| status.to_string()).unwrap_or_default(),
        row.amount_usd.map(|usd| usd.to_string()).unwrap_or_default(),
        or_empty(&row.amount_atomic),
        or_empty(&row.asset),
        or_empty(&row.network),
        or_empty(&row.payee),
        or_empty(&row.dialect),
        or_empty(&row.scheme),
        or_empty(&row.chain_tx),
        or_empty(&row.proof),
        reasons.join(" "),
        or_empty(&row.goods),
        or_empty(&row.machine),
    ];
    fields.iter().map(|field| quoted(field)).collect::<Vec<_>>().join(",")
}

/// RFC 4180; and a spreadsheet takes a cell that begins like a formula for one, so an apostrophe goes before it.
fn quoted(field: &str) -> String {
    let seen = crate::cli::out::clean(field);
    let seen = if seen.starts_with(['=', '+', '-', '@']) { format!("'{seen}") } else { seen };
    match seen.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", seen.replace('"', "\"\"")),
        false => seen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_never_a_formula_and_never_two_cells() {
        assert_eq!(quoted("=HYPERLINK(\"x\",\"y\")"), "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\"");
        assert_eq!(quoted("a,b"), "\"a,b\"");
        assert_eq!(quoted("plain"), "plain");
    }
}
