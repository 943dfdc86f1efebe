//! A key on the command line: it is never shown again, and its owner is told what that means.

use crate::home::{ADDRESS, Home, KEY, code, err, out, solana_pair};

fn upper(key: &str) -> String {
    key.to_uppercase()
}

#[test]
fn a_key_given_as_an_argument_is_never_echoed_and_is_said_to_be_exposed() {
    let home = Home::empty();
    let (prefixed, upper) = (format!("0x{KEY}"), upper(KEY));
    let (option, cut) = (format!("--key={prefixed}"), &KEY[..63]);
    for args in [
        &["wallet", "import", KEY][..],
        &["wallet", "import", &prefixed],
        &["wallet", "import", &upper],
        &["wallet", "import", &option],
        &["wallet", "import", "--key", cut],
        &["wallet", "import", "--store", KEY],
        &["wallet", KEY],
        &["wallet", "create", KEY],
        &["wallet", "export", &prefixed],
        &[KEY],
        &["balance", &prefixed],
        &["policy", "explain", "https://api.example.com", "--price", KEY],
    ] {
        let refused = home.run(args);
        let told = out(&refused) + &err(&refused);
        assert_eq!(code(&refused), 2, "{args:?}: {told}");
        let lower = told.to_lowercase();
        assert!(!lower.contains(&KEY[..16]) && !lower.contains(&KEY[47..63]), "{args:?} showed it: {told}");
        assert!(told.contains("never given as an argument") && told.contains("exposed"), "{args:?}: {told}");
    }
}

#[test]
fn a_key_of_solanas_given_as_an_argument_is_not_echoed_either() {
    let home = Home::empty();
    let (base58, list) = (bs58::encode(solana_pair()).into_string(), format!("{:?}", solana_pair()));
    for args in [
        &["wallet", "import", &base58][..],
        &["wallet", "import", &list],
        &["wallet", "export", &base58],
        &["wallet", "import", "--rail", &base58],
        &["wallet", "import", &format!("--key={base58}")],
        &[&list],
    ] {
        let refused = home.run(args);
        let told = out(&refused) + &err(&refused);
        assert_eq!(code(&refused), 2, "{args:?}: {told}");
        assert!(!told.contains(&base58[..16]) && !told.contains("1, 1, 1"), "{args:?} showed it: {told}");
        assert!(told.contains("never given as an argument") && told.contains("exposed"), "{args:?}: {told}");
    }
}

#[test]
fn words_given_as_a_key_are_not_echoed_either() {
    let home = Home::empty();
    let refused = home.run(&["wallet", "import", "abandon", "ability"]);
    assert_eq!(code(&refused), 2);
    assert!(!err(&refused).contains("abandon") && err(&refused).contains("exposed"), "{}", err(&refused));
}

#[test]
fn other_mistakes_are_told_as_ever() {
    let refused = Home::empty().run(&["balance", ADDRESS]);
    assert!(err(&refused).contains(&format!("unexpected argument '{ADDRESS}'")), "{}", err(&refused));
}
