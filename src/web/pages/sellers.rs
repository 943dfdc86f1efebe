//! Whom the wallet paid, and what came of it.

use super::PageView;
use super::frame::{Tab, framed};
use crate::answer::{Refusal, SellerRecord};
use crate::time::Time;
use crate::web::html::{Html, html};
use crate::web::words;

/// Those that were paid most; `bursar sellers` has all.
const ROWS: usize = 100;

pub async fn sellers(view: &PageView<'_>) -> Result<Html, Refusal> {
    let mut sellers = view.bursar.sellers(None, None).await?;
    sellers.sort_by_key(|seller| std::cmp::Reverse(seller.paid_usd));
    let content = html!(
        "<h1>Sellers</h1><section class=\"card\" data-live=\"sellers\"><p class=\"dim\">Paid is what each took, or may have \
         taken. Bad is what came and was empty, an error, or of another type than the offer named. Each is what one good \
         delivery cost, with everything else that was paid for.</p>{}{}</section>",
        table(&sellers[..sellers.len().min(ROWS)], view.now),
        (sellers.len() > ROWS)
            .then(|| html!("<p class=\"dim\">and {} more: <code>bursar sellers</code></p>", sellers.len() - ROWS))
    );
    framed(view, Tab::Sellers, "Sellers", content).await
}

fn table(sellers: &[SellerRecord], now: Time) -> Html {
    if sellers.is_empty() {
        return html!("<p>Nobody was paid yet.</p>");
    }
    let rows: Vec<Html> = sellers.iter().map(|seller| row(seller, now)).collect();
    html!(
        "<div class=\"scroll\" tabindex=\"0\"><table><thead><tr><th scope=\"col\">Seller</th>\
         <th scope=\"col\" class=\"num\">Payments</th><th scope=\"col\" class=\"num\">Paid</th>\
         <th scope=\"col\" class=\"num\">Delivered</th><th scope=\"col\" class=\"num\">Not delivered</th>\
         <th scope=\"col\" class=\"num\">Bad</th><th scope=\"col\" class=\"num\">Each</th>\
         <th scope=\"col\" class=\"num\">False receipts</th><th scope=\"col\">Last</th></tr></thead>\
         <tbody>{}</tbody></table></div>",
        rows
    )
}

fn row(seller: &SellerRecord, now: Time) -> Html {
    html!(
        "<tr><td><a href=\"{}\">{}</a></td><td class=\"num\">{}</td><td class=\"num\">{}</td><td class=\"num\">{}</td>\
         <td class=\"num\">{}</td><td class=\"num\" title=\"{}\">{}</td><td class=\"num\">{}</td><td class=\"num\">{}</td>\
         <td>{}</td></tr>",
        words::query("purchases", &[("domain", &seller.domain)]),
        words::line(&seller.domain),
        seller.paid,
        seller.paid_usd,
        seller.delivered,
        some(seller.not_delivered),
        kinds(seller),
        some(seller.bad()),
        seller.per_delivery_usd,
        some(seller.lied),
        words::time(seller.last, now)
    )
}

fn kinds(seller: &SellerRecord) -> String {
    format!("{} empty, {} an error, {} of another type", seller.empty, seller.error_page, seller.other_type)
}

/// A nought is quiet.
fn some(count: u64) -> Option<u64> {
    (count > 0).then_some(count)
}
