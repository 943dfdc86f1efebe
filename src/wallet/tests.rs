//! The wallet over stores that behave, and over stores that do not.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use super::*;

struct Hand(AtomicI64);

impl Hand {
    fn turn(&self, by: Duration) {
        self.0.fetch_add(by.as_millis() as i64, Ordering::SeqCst);
    }
}

impl Clock for Hand {
    fn now(&self) -> Time {
        Time::from_millis(self.0.load(Ordering::SeqCst))
    }
}

fn hand() -> Arc<Hand> {
    Arc::new(Hand(AtomicI64::new(1_000_000)))
}

/// A store that counts how often it is read, and does something else first.
struct Faulty<F> {
    inner: Memory,
    loads: AtomicUsize,
    before_load: F,
}

impl<F: Fn() -> Result<Option<RailKey>, WalletError> + Send + Sync> KeyStore for Faulty<F> {
    fn load(&self, address: KeyAddress) -> Result<RailKey, WalletError> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        (self.before_load)()?.map_or_else(|| self.inner.load(address), Ok)
    }

    fn save(&self, key: &RailKey, beside: Option<KeyAddress>) -> Result<(), WalletError> {
        self.inner.save(key, beside)
    }

    fn remove(&self, address: KeyAddress) -> Result<(), WalletError> {
        self.inner.remove(address)
    }

    fn list(&self) -> Result<Vec<KeyAddress>, WalletError> {
        self.inner.list()
    }

    fn read_anchor(&self, address: KeyAddress) -> Result<Option<String>, WalletError> {
        self.inner.read_anchor(address)
    }

    fn write_anchor(&self, address: KeyAddress, text: &str) -> Result<(), WalletError> {
        self.inner.write_anchor(address, text)
    }

    fn slow(&self, waited: Duration) -> WalletError {
        WalletError::KeyringSlow { seconds: waited.as_secs() }
    }
}

const PATIENT: Duration = Duration::from_secs(20);

fn faulty<F: Fn() -> Result<Option<RailKey>, WalletError>>(before_load: F) -> Arc<Faulty<F>> {
    Arc::new(Faulty { inner: Memory::default(), loads: AtomicUsize::new(0), before_load })
}

async fn wallet_over<F>(keys: Arc<Faulty<F>>, wait: Duration) -> (Wallet, Arc<Hand>)
where
    F: Fn() -> Result<Option<RailKey>, WalletError> + Send + Sync + 'static,
{
    let (store, clock) = (Store::over(keys, wait), hand());
    let address = Wallet::create(&store, Rail::Evm, None).await.unwrap();
    (Wallet::open(store, address, clock.clone()), clock)
}

fn loads<F>(keys: &Faulty<F>) -> usize {
    keys.loads.load(Ordering::SeqCst)
}

#[tokio::test]
async fn a_created_key_is_listed_unlocked_exported_and_removed() {
    let store = Store::memory();
    let address = Wallet::create(&store, Rail::Evm, None).await.unwrap();
    assert_eq!(Wallet::list(&store).await, Ok(vec![address]));
    let wallet = Wallet::open(store.clone(), address, hand());
    let keys = wallet.unlock().await.unwrap();
    assert_eq!(keys.all().unwrap().iter().map(|key| key.address()).collect::<Vec<_>>(), [address]);
    let exported = wallet.export(Rail::Evm).await.unwrap();
    assert_eq!(RailKey::read(exported.as_bytes(), None).unwrap().address(), address);
    wallet.remove(Rail::Evm).await.unwrap();
    assert_eq!(Wallet::list(&store).await, Ok(vec![]));
}

#[tokio::test]
async fn an_imported_key_keeps_its_address() {
    let store = Store::memory();
    let key = RailKey::random(Rail::Evm).unwrap();
    let address = key.address();
    assert_eq!(Wallet::import(&store, key, None).await, Ok(address));
}

#[tokio::test]
async fn a_missing_key_is_an_error_and_makes_no_new_one() {
    let store = Store::memory();
    let wallet = Wallet::open(store.clone(), Address::repeat_byte(1), hand());
    assert_eq!(wallet.unlock().await.err().unwrap().code(), "no_key");
    assert_eq!(Wallet::list(&store).await, Ok(vec![]));
}

#[tokio::test]
async fn a_key_of_another_address_is_never_used() {
    let keys = faulty(|| RailKey::random(Rail::Evm).map(Some));
    let (wallet, _) = wallet_over(keys.clone(), PATIENT).await;
    for tries in 1..=2 {
        let error = wallet.unlock().await.err().unwrap();
        assert!(matches!(error, WalletError::WrongKey { expected, .. } if expected == wallet.addresses().first));
        assert_eq!(loads(&keys), tries);
    }
}

#[tokio::test]
async fn a_locked_store_is_asked_again_next_time() {
    let keys = faulty(|| Err(WalletError::KeyringLocked));
    let (wallet, _) = wallet_over(keys.clone(), PATIENT).await;
    for _ in 0..2 {
        assert_eq!(wallet.unlock().await.err(), Some(WalletError::KeyringLocked));
    }
    assert_eq!(loads(&keys), 2);
}

#[tokio::test]
async fn a_store_that_hangs_is_given_up_on_and_does_not_pile_up_callers() {
    let (release, hang) = mpsc::channel::<()>();
    let hang = Mutex::new(hang);
    let keys = faulty(move || {
        let _ = guard(&hang).recv();
        Ok(None)
    });
    let (wallet, _) = wallet_over(keys.clone(), PATIENT).await;
    let wallet = Wallet { store: wallet.store.clone().waiting(Duration::from_millis(20)), ..wallet };
    for _ in 0..3 {
        assert_eq!(wallet.unlock().await.err(), Some(WalletError::KeyringSlow { seconds: 0 }));
    }
    assert_eq!(loads(&keys), 1);

    drop(release);
    let wallet = Wallet { store: wallet.store.clone().waiting(PATIENT), ..wallet };
    assert!(wallet.unlock().await.is_ok());
}

#[tokio::test]
async fn a_store_that_panics_is_an_error() {
    let keys = faulty(|| panic!("a store that panics, on purpose"));
    let (wallet, _) = wallet_over(keys, PATIENT).await;
    assert_eq!(wallet.unlock().await.err(), Some(WalletError::BrokeOff));
}

#[tokio::test]
async fn many_at_once_read_the_key_one_time() {
    let keys = faulty(|| Ok(None));
    let (wallet, _) = wallet_over(keys.clone(), PATIENT).await;
    let unlocked = futures_util::future::join_all((0..64).map(|_| wallet.unlock())).await;
    assert!(unlocked.iter().all(Result::is_ok));
    assert_eq!(loads(&keys), 1);
}

#[tokio::test]
async fn a_key_in_use_stays_and_an_idle_one_is_dropped() {
    let keys = faulty(|| Ok(None));
    let (wallet, clock) = wallet_over(keys.clone(), PATIENT).await;
    let almost = limits::KEY_IDLE - Duration::from_millis(1);
    for _ in 0..3 {
        wallet.unlock().await.unwrap();
        clock.turn(almost);
        wallet.forget_if_idle();
    }
    assert_eq!(loads(&keys), 1);

    let kept = Arc::downgrade(&wallet.unlock().await.unwrap());
    clock.turn(limits::KEY_IDLE);
    wallet.forget_if_idle();
    assert!(kept.upgrade().is_none());
    wallet.unlock().await.unwrap();
    assert_eq!(loads(&keys), 2);
}

#[tokio::test]
async fn an_idle_key_is_not_used_even_if_nobody_dropped_it_in_time() {
    let keys = faulty(|| Ok(None));
    let (wallet, clock) = wallet_over(keys.clone(), PATIENT).await;
    wallet.unlock().await.unwrap();
    clock.turn(limits::KEY_IDLE);
    wallet.unlock().await.unwrap();
    assert_eq!(loads(&keys), 2);
    wallet.forget();
    wallet.unlock().await.unwrap();
    assert_eq!(loads(&keys), 3);
}

fn anchor(ledger_id: &str, authorizations: u64) -> Anchor {
    Anchor { ledger_id: ledger_id.to_owned(), authorizations, owner: None }
}

#[tokio::test]
async fn an_anchor_is_raised_and_never_lowered() {
    let (wallet, _) = wallet_over(faulty(|| Ok(None)), PATIENT).await;
    assert_eq!(wallet.anchor().await, Ok(None));
    for (written, kept) in [(0, 0), (5, 5), (3, 5), (5, 5), (9, 9)] {
        wallet.write_anchor(anchor("one", written)).await.unwrap();
        assert_eq!(wallet.anchor().await, Ok(Some(anchor("one", kept))));
    }
}

#[tokio::test]
async fn an_anchor_moves_to_another_ledger_only_when_the_owner_says_so() {
    let (wallet, _) = wallet_over(faulty(|| Ok(None)), PATIENT).await;
    wallet.write_anchor(anchor("one", 5)).await.unwrap();
    assert_eq!(wallet.write_anchor(anchor("two", 9)).await, Err(WalletError::OtherLedger));
    wallet.adopt(anchor("two", 2)).await.unwrap();
    assert_eq!(wallet.anchor().await, Ok(Some(anchor("two", 2))));
    assert_eq!(wallet.write_anchor(anchor("one", 6)).await, Err(WalletError::OtherLedger));
}

#[tokio::test]
async fn a_forged_anchor_is_noticed_and_only_adopting_mends_it() {
    let keys = faulty(|| Ok(None));
    let (wallet, _) = wallet_over(keys.clone(), PATIENT).await;
    wallet.write_anchor(anchor("one", 5)).await.unwrap();
    let text = keys.inner.read_anchor(wallet.addresses().first).unwrap().unwrap();
    keys.inner.write_anchor(wallet.addresses().first, &text.replace(":5", ":1")).unwrap();
    assert_eq!(wallet.anchor().await, Err(WalletError::AnchorDamaged));
    assert_eq!(wallet.write_anchor(anchor("one", 6)).await, Err(WalletError::AnchorDamaged));
    wallet.adopt(anchor("one", 6)).await.unwrap();
    assert_eq!(wallet.anchor().await, Ok(Some(anchor("one", 6))));
}

#[tokio::test]
async fn an_anchor_is_written_while_the_key_rests() {
    let keys = faulty(|| Ok(None));
    let (wallet, _) = wallet_over(keys.clone(), PATIENT).await;
    wallet.unlock().await.unwrap();
    wallet.forget();
    wallet.write_anchor(anchor("one", 5)).await.unwrap();
    assert_eq!(loads(&keys), 1);
}

#[tokio::test]
async fn processes_take_turns_at_raising_an_anchor() {
    let home = tempfile::tempdir().unwrap();
    let keys: Arc<dyn KeyStore> = Arc::new(Memory::default());
    // Two stores over the same keys, as two processes have them.
    let process = || Store::over(keys.clone(), PATIENT).taking_turns(home.path());
    let address = Wallet::create(&process(), Rail::Evm, None).await.unwrap();
    let wallets: Vec<_> = (0..4).map(|_| Wallet::open(process(), address, hand())).collect();
    let writes = (1..=40).map(|n| wallets[n % 4].write_anchor(anchor("one", n as u64)));
    assert!(futures_util::future::join_all(writes).await.iter().all(Result::is_ok));
    assert_eq!(wallets[0].anchor().await, Ok(Some(anchor("one", 40))));
}

#[test]
fn every_error_says_what_happened_and_has_a_code_of_its_own() {
    let (address, place, path) =
        (KeyAddress::from(Address::repeat_byte(1)), "the place".to_owned(), std::path::PathBuf::from("w.json"));
    let cause = || "a cause".to_owned();
    let all = [
        WalletError::KeyringLocked,
        WalletError::KeyringAbsent { cause: cause() },
        WalletError::KeyringSlow { seconds: 10 },
        WalletError::KeyringAmbiguous { address },
        WalletError::KeyringRefused { cause: cause() },
        WalletError::NoKey { address, place: place.clone() },
        WalletError::WrongKey { expected: address, found: Address::ZERO.into() },
        WalletError::KeyDamaged { address, place: place.clone() },
        WalletError::WrongPassphrase { path: path.clone() },
        WalletError::NoPassphrase { path: path.clone(), asked: "the terminal".to_owned() },
        WalletError::VerifierDamaged { cause: cause() },
        WalletError::PassphrasesDiffer,
        WalletError::KeyfileDamaged { path: path.clone(), cause: cause() },
        WalletError::KeyfileInaccessible { path: path.clone(), cause: cause() },
        WalletError::KeyfileSlow { path, seconds: 10 },
        WalletError::AlreadyThere { address, place },
        WalletError::NotAKey,
        WalletError::NoKeyFor { rail: Rail::Solana },
        WalletError::SameBytes { address },
        WalletError::NotOurs { ours: address },
        WalletError::BadSignature,
        WalletError::AnchorDamaged,
        WalletError::OtherLedger,
        WalletError::NoRandomness,
        WalletError::BrokeOff,
    ];
    let codes: std::collections::BTreeSet<_> = all.iter().map(WalletError::code).collect();
    assert_eq!(codes.len(), all.len());
    let texts: Vec<String> = all.iter().map(|error| format!("{}: {error}", error.code())).collect();
    insta::assert_snapshot!(texts.join("\n"));
}

async fn with_two_keys(store: &Store) -> Addresses {
    let first = Wallet::create(store, Rail::Evm, None).await.unwrap();
    let also = Wallet::create(store, Rail::Solana, Some(first)).await.unwrap();
    Addresses { first, also: Some(also) }
}

#[tokio::test]
async fn a_wallet_of_two_keys_has_an_account_on_each_kind_of_chain() {
    let store = Store::memory();
    let addresses = with_two_keys(&store).await;
    let wallet = Wallet::open(store, addresses, hand());
    let (base, solana) = (Network::eip155(8453), Network::new("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"));
    assert_eq!(wallet.account_on(&base), addresses.first.on(&base));
    assert_eq!(wallet.account_on(&solana), addresses.also.unwrap().on(&solana));
    assert_eq!(wallet.unlock().await.unwrap().all().unwrap().len(), 2);
    let without = Wallet::open(Store::memory(), addresses.first, hand());
    assert_eq!((without.account_on(&solana), without.account(&solana).is_nobodys()), (None, true));
}

#[tokio::test]
async fn bytes_that_are_a_key_already_are_not_taken_in_for_another_rail() {
    let store = Store::memory();
    let key = |rail| RailKey::from_bytes(rail, &[7; 32]).unwrap();
    let first = Wallet::import(&store, key(Rail::Evm), None).await.unwrap();
    let twin = Wallet::import(&store, key(Rail::Solana), Some(first)).await;
    assert_eq!(twin, Err(WalletError::SameBytes { address: first }));
    assert_eq!(Wallet::list(&store).await, Ok(vec![first]));
}

/// What stops one rail stops no other, and is tried anew.
#[tokio::test]
async fn a_second_key_that_cannot_be_read_leaves_the_first_one_usable() {
    let store = Store::memory();
    let first = Wallet::create(&store, Rail::Evm, None).await.unwrap();
    let also = RailKey::random(Rail::Solana).unwrap();
    let wallet = Wallet::open(store.clone(), Addresses { first, also: Some(also.address()) }, hand());
    let keys = wallet.unlock().await.unwrap();
    assert!(keys.of(Rail::Evm).is_ok());
    assert_eq!(keys.of(Rail::Solana).err().unwrap().code(), "no_key");
    Wallet::import(&store, also, Some(first)).await.unwrap();
    assert!(wallet.unlock().await.unwrap().of(Rail::Solana).is_ok());
}

/// Whoever swaps or drops an address in the config gets no fresh wallet by it.
#[tokio::test]
async fn whichever_key_is_named_knows_the_ledger() {
    let store = Store::memory();
    let addresses = with_two_keys(&store).await;
    let alone = Wallet::open(store.clone(), addresses.first, hand());
    alone.write_anchor(anchor("one", 5)).await.unwrap();
    let swapped = Addresses { first: addresses.also.unwrap(), also: Some(addresses.first) };
    let swapped = Wallet::open(store.clone(), swapped, hand());
    assert_eq!(swapped.anchor().await, Err(WalletError::AnchorDamaged), "the note is beside the other key");
    Wallet::open(store.clone(), addresses, hand()).write_anchor(anchor("one", 6)).await.unwrap();
    assert_eq!(swapped.anchor().await, Ok(Some(anchor("one", 6))));
    let dropped = Wallet::open(store, addresses.also.unwrap(), hand());
    assert_eq!(dropped.anchor().await, Ok(Some(anchor("one", 6))));
}
