//! Addresses that are never paid, and the lists of them that must be readable.

use super::{Case, Check, Rule, Said};
use crate::reason::Who;
use crate::text::quoted;

pub const RULE: Rule = Rule {
    code: "payee_denied",
    sentence: "A denied address is never paid, and nothing is while a deny list cannot be read.",
    key: "payee deny",
    check: Check::Offer(check),
};

const UNREADABLE: &str = "deny_list_unreadable";

fn check(case: &Case<'_>) -> Said {
    let payee = &case.offer.payee;
    if case.policy.payee.deny.contains(payee.address()) {
        return case.refuse(RULE.code, RULE.key, format!("The policy never pays {payee}."), Who::Owner);
    }
    match &case.policy.payee.deny_list_error {
        None => Said::Pass,
        Some(cause) => {
            let message = format!("Nothing is paid while a deny list cannot be read ({}).", quoted(cause, 200));
            case.refuse(UNREADABLE, "payee deny_lists", message, Who::Owner)
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;
    use crate::policy::*;

    #[test]
    fn a_denied_address_is_never_paid() {
        let scene = scene().policy(&format!("[payee]\ndeny = [\"{PAYEE}\"]\n")).approved(ApprovedBy::Owner);
        assert_eq!(scene.says(), "refuse payee_denied");
    }

    #[test]
    fn nothing_is_paid_while_a_deny_list_cannot_be_read() {
        let scene = scene().policy("[payee]\ndeny_lists = [\"sanctions.txt\"]\n");
        assert_eq!(scene.says(), "refuse deny_list_unreadable");
    }
}
