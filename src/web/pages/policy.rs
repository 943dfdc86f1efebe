//! The owner's rules, as they are in force.

use super::View;
use super::frame::{Place, framed};
use crate::bursar::Refusal;
use crate::web::html::{Html, html};
use crate::web::words;

pub async fn policy(view: &View<'_>) -> Result<Html, Refusal> {
    let rules = view.bursar.rules();
    let standing = match (&rules.hash, &rules.problem) {
        (_, Some(problem)) => {
            html!("<section class=\"card alarm\"><h2>Nothing is paid</h2><p>{}</p></section>", words::line(problem))
        }
        (hash, None) => html!("<p>In force: <span class=\"mono\">{}</span></p>", hash.as_deref().map(words::short)),
    };
    let name = if rules.is_own { "policy.toml" } else { "The built-in policy: there is no policy.toml" };
    let content = html!(
        "<h1>Policy</h1><div data-live=\"policy\">{}<section class=\"card\"><h2>{}</h2>\
         <pre class=\"file\" tabindex=\"0\">{}</pre></section></div>",
        standing,
        name,
        rules.text
    );
    framed(view, Place::Policy, "Policy", content).await
}
