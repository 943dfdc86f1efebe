//! What a person may start in a host with one choice: a report on what was spent.

use rmcp::model::{ErrorData, GetPromptRequestParams, GetPromptResult, Prompt, PromptArgument, PromptMessage, Role};

use crate::text;

const NAME: &str = "spending_report";
/// As `list_spend` reads it.
const SINCE: &str = "7d";

pub fn all() -> Vec<Prompt> {
    let since = PromptArgument::new("since")
        .with_title("Since")
        .with_description(format!("RFC 3339, or a span back such as 24h; {SINCE} if left out"))
        .with_required(false);
    let description = "What was bought, what it cost, and what may still be spent";
    vec![Prompt::new(NAME, Some(description), Some(vec![since])).with_title("Spending report")]
}

pub fn get(request: &GetPromptRequestParams) -> Result<GetPromptResult, ErrorData> {
    if request.name != NAME {
        let message = format!("unknown prompt `{}`", text::quoted(&request.name, 60));
        return Err(ErrorData::invalid_params(message, None));
    }
    let given = request.arguments.iter().flatten().find(|(name, _)| *name == "since");
    let since = match given.map(|(_, since)| since.as_str()) {
        None => SINCE.to_owned(),
        Some(Some(since)) if since.trim().is_empty() => SINCE.to_owned(),
        Some(Some(since)) => text::quoted(since.trim(), 40),
        Some(None) => return Err(ErrorData::invalid_params("`since` is a text such as 24h", None)),
    };
    let message = PromptMessage::new_text(Role::User, asked(&since));
    Ok(GetPromptResult::new(vec![message]).with_description("A report on what was spent"))
}

fn asked(since: &str) -> String {
    format!(
        "Write me a short spending report, from bursar's own records and nothing else. Buy nothing for it.\n\
         1. list_spend with since \"{since}\"; follow next_cursor until there is none.\n\
         2. get_budget, and get_balance if it names a wallet.\n\
         Then tell me:\n\
         - what was spent in all, and how much of it is held: paid, and not known yet whether it was taken;\n\
         - the five sellers that cost most, with how often and how much;\n\
         - what was paid for and brought nothing;\n\
         - what was refused, by which rule, and who can change that;\n\
         - what is left of each budget.\n\
         Give amounts as bursar gives them. If a call fails, say which, and guess nothing."
    )
}
