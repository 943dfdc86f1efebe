//! The owner's rules: those in force, and what the file says otherwise where it is not in force yet.

use super::PageView;
use super::frame::{Tab, csrf, framed, passphrase};
use crate::answer::{PolicyChange, Refusal};
use crate::owner::Rules;
use crate::policy::{Change, Effect};
use crate::web::html::{Html, html};
use crate::web::words;

pub async fn policy(view: &PageView<'_>) -> Result<Html, Refusal> {
    let rules = view.bursar.rules().await;
    let content = html!(
        "<h1>Policy</h1><div data-live=\"policy\">{}{}{}</div>",
        trouble(&rules),
        rules.change.as_ref().map(|change| changed(view, change)),
        in_force(&rules)
    );
    framed(view, Tab::Policy, "Policy", content).await
}

fn trouble(rules: &Rules) -> Option<Html> {
    let card = |problem: &String| {
        html!("<section class=\"card alarm\"><h2>Something is wrong with the rules</h2><p>{}</p></section>", problem)
    };
    rules.problem.as_ref().map(card)
}

fn changed(view: &PageView<'_>, change: &PolicyChange) -> Html {
    let rows: Vec<Html> = change.changes.iter().map(row).collect();
    let table = html!(
        "<div class=\"scroll\" tabindex=\"0\"><table><thead><tr><th scope=\"col\">Becomes</th><th scope=\"col\">Rule</th>\
         <th scope=\"col\">Now</th><th scope=\"col\">Then</th></tr></thead><tbody>{}</tbody></table></div>",
        rows
    );
    let told = if rows.is_empty() { html!("<p>It says the same in other words.</p>") } else { table };
    let (title, why) = match change.is_whole {
        false => (
            "Changed, and not in force",
            "policy.toml, or [[asset]] in config.toml, was changed. The rules below hold until you put the change into \
             force.",
        ),
        true => (
            "Not what you put into force",
            "The rules below were put there by somebody else, and nothing is signed. This is everything policy.toml and \
             [[asset]] in config.toml say otherwise than the built-in policy: read all of it before you put it into force.",
        ),
    };
    html!(
        "<section class=\"card ask\"><h2>{}</h2><p class=\"dim\">{}</p>{}<form method=\"post\" action=\"apply\" class=\"stack\">{}\
         <input type=\"hidden\" name=\"from\" value=\"{}\"><input type=\"hidden\" name=\"to\" value=\"{}\">{}\
         <button class=\"strong\">Put into force</button></form></section>",
        title,
        why,
        told,
        csrf(view),
        change.from,
        change.to,
        passphrase(view, "to put the policy into force")
    )
}

fn row(change: &Change) -> Html {
    let (class, word) = match change.effect {
        Effect::Looser => ("refuse", "looser"),
        Effect::Tighter => ("pass", "tighter"),
        Effect::Different => ("", "different"),
    };
    html!(
        "<tr><td><span class=\"verdict {}\">{}</span></td><td>{}</td><td>{}</td><td>{}</td></tr>",
        class,
        word,
        words::line(&change.key),
        words::line(&change.before),
        words::line(&change.after)
    )
}

fn in_force(rules: &Rules) -> Html {
    let name = if rules.is_own { "In force" } else { "In force: the built-in policy, for there is no policy.toml" };
    html!(
        "<section class=\"card\"><h2>{}</h2><p class=\"dim mono\">{}</p><pre class=\"file\" tabindex=\"0\">{}</pre></section>",
        name,
        rules.hash,
        rules.text
    )
}
