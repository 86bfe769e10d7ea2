//! What is sealed opens where it belongs, and nowhere else.

use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;
use vault::{DataKey, KeyPlace, KeyRing, Sealed, Slot, Vault, WrappedKey};

const ALPHA: Uuid = Uuid::from_u128(0xa);
const BETA: Uuid = Uuid::from_u128(0xb);
const STRIPE: Slot<'_> = Slot::Secret("stripe");
const OLD: [u8; 32] = [1; 32];
const NEW: [u8; 32] = [2; 32];

fn place(tenant_id: Uuid, generation: i32) -> KeyPlace {
    KeyPlace {
        tenant_id,
        generation,
    }
}

fn secret() -> SecretString {
    "hunter2 of the tenant".into()
}

async fn sealed() -> (Vault, DataKey, WrappedKey, Sealed) {
    let vault = Vault::new(KeyRing::of(OLD));
    let (key, wrapped) = vault.make_key(ALPHA, 1).await.unwrap();
    let sealed = key.seal(STRIPE, &secret()).unwrap();
    (vault, key, wrapped, sealed)
}

fn code<T>(result: Result<T, vault::VaultError>) -> &'static str {
    match result {
        Ok(_) => "opened",
        Err(error) => error.code(),
    }
}

#[tokio::test]
async fn what_was_sealed_opens_by_the_key_that_was_kept() {
    let (vault, _, wrapped, sealed) = sealed().await;
    let key = vault.open_key(place(ALPHA, 1), &wrapped).await.unwrap();
    assert_eq!(
        key.open(STRIPE, &sealed).unwrap().expose_secret(),
        secret().expose_secret()
    );
    // Nothing of the value is to be seen, but its length.
    assert_eq!(sealed.ciphertext.len(), secret().expose_secret().len() + 16);
    assert_eq!(
        (sealed.nonce.len(), wrapped.bytes.len()),
        (12, 12 + 32 + 16)
    );
}

#[tokio::test]
async fn the_same_value_is_never_sealed_the_same() {
    let (_, key, _, first) = sealed().await;
    let second = key.seal(STRIPE, &secret()).unwrap();
    assert_ne!(first.nonce, second.nonce);
    assert_ne!(first.ciphertext, second.ciphertext);
}

#[tokio::test]
async fn another_name_does_not_open_it() {
    let (_, key, _, sealed) = sealed().await;
    for name in ["", "strip", "stripe2", "Stripe"] {
        assert_eq!(
            code(key.open(Slot::Secret(name), &sealed)),
            "secret_unreadable",
            "{name}"
        );
    }
}

/// A secret may be called as a provider is.
#[tokio::test]
async fn a_secret_is_no_provider_key_and_a_provider_key_no_secret() {
    let (_, key, _, _) = sealed().await;
    let (as_secret, as_key) = (Slot::Secret("openai"), Slot::ProviderKey("openai"));
    for (mine, other) in [(as_secret, as_key), (as_key, as_secret)] {
        let sealed = key.seal(mine, &secret()).unwrap();
        assert_eq!(code(key.open(mine, &sealed)), "opened");
        assert_eq!(code(key.open(other, &sealed)), "secret_unreadable");
    }
    let sealed = key.seal(as_key, &secret()).unwrap();
    let elsewhere = key.open(Slot::ProviderKey("anthropic"), &sealed);
    assert_eq!(code(elsewhere), "secret_unreadable");
}

#[tokio::test]
async fn another_tenant_does_not_open_it() {
    let (vault, _, wrapped, sealed) = sealed().await;
    // The whole of it copied, key and all.
    for elsewhere in [place(BETA, 1), place(ALPHA, 2)] {
        let opened = vault.open_key(elsewhere, &wrapped).await;
        assert_eq!(code(opened), "data_key_unreadable", "{elsewhere:?}");
    }
    // The secret alone, beside a key of its own.
    let (theirs, _) = vault.make_key(BETA, 1).await.unwrap();
    assert_eq!(code(theirs.open(STRIPE, &sealed)), "secret_unreadable");
}

#[tokio::test]
async fn a_changed_bit_anywhere_closes_it() {
    let (vault, key, wrapped, sealed) = sealed().await;
    for bit in 0..sealed.ciphertext.len() * 8 {
        let mut changed = sealed.clone();
        changed.ciphertext[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(code(key.open(STRIPE, &changed)), "secret_unreadable");
    }
    for bit in 0..sealed.nonce.len() * 8 {
        let mut changed = sealed.clone();
        changed.nonce[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(code(key.open(STRIPE, &changed)), "secret_unreadable");
    }
    for bit in 0..wrapped.bytes.len() * 8 {
        let mut changed = wrapped.clone();
        changed.bytes[bit / 8] ^= 1 << (bit % 8);
        let opened = vault.open_key(place(ALPHA, 1), &changed).await;
        assert_eq!(code(opened), "data_key_unreadable");
    }
}

#[tokio::test]
async fn what_is_cut_short_is_an_error_and_no_panic() {
    let (vault, key, wrapped, sealed) = sealed().await;
    for length in 0..sealed.ciphertext.len() {
        let mut cut = sealed.clone();
        cut.ciphertext.truncate(length);
        assert_eq!(code(key.open(STRIPE, &cut)), "secret_unreadable");
    }
    for length in 0..wrapped.bytes.len() {
        let mut cut = wrapped.clone();
        cut.bytes.truncate(length);
        let opened = vault.open_key(place(ALPHA, 1), &cut).await;
        assert_eq!(code(opened), "data_key_unreadable");
    }
    let no_nonce = Sealed {
        nonce: Vec::new(),
        ..sealed
    };
    assert_eq!(code(key.open(STRIPE, &no_nonce)), "secret_unreadable");
}

#[tokio::test]
async fn a_new_master_key_wraps_and_the_old_one_still_unwraps() {
    let (_, _, wrapped, sealed) = sealed().await;
    let both = Vault::new(KeyRing::of(OLD).with_newest(NEW));
    assert_ne!(both.newest_master_key(), wrapped.master_key_id);
    let key = both.open_key(place(ALPHA, 1), &wrapped).await.unwrap();
    assert_eq!(code(key.open(STRIPE, &sealed)), "opened");

    let rewrapped = both.rewrap(place(ALPHA, 1), &wrapped).await.unwrap();
    assert_eq!(rewrapped.master_key_id, both.newest_master_key());
    // The old master key is not needed any more, and of no use for what it did not wrap.
    let only_new = Vault::new(KeyRing::of(NEW));
    let key = only_new
        .open_key(place(ALPHA, 1), &rewrapped)
        .await
        .unwrap();
    assert_eq!(code(key.open(STRIPE, &sealed)), "opened");
    let lost = only_new.open_key(place(ALPHA, 1), &wrapped).await;
    assert_eq!(code(lost), "master_key_unknown");
}

#[tokio::test]
async fn a_row_cannot_claim_another_master_key() {
    let (_, _, mut wrapped, _) = sealed().await;
    let both = Vault::new(KeyRing::of(OLD).with_newest(NEW));
    wrapped.master_key_id = both.newest_master_key().to_owned();
    let opened = both.open_key(place(ALPHA, 1), &wrapped).await;
    assert_eq!(code(opened), "data_key_unreadable");
}

#[tokio::test]
async fn a_rotated_data_key_opens_nothing_of_before() {
    let (vault, old, _, sealed) = sealed().await;
    let (new, _) = vault.make_key(ALPHA, 2).await.unwrap();
    assert_eq!(code(new.open(STRIPE, &sealed)), "secret_unreadable");
    let value = old.open(STRIPE, &sealed).unwrap();
    let resealed = new.seal(STRIPE, &value).unwrap();
    assert_eq!(code(new.open(STRIPE, &resealed)), "opened");
    assert_eq!(code(old.open(STRIPE, &resealed)), "secret_unreadable");
}

#[tokio::test]
async fn nothing_prints_a_secret() {
    let (vault, key, wrapped, sealed) = sealed().await;
    let opened = key.open(STRIPE, &sealed).unwrap();
    let ring = KeyRing::of(OLD);
    let printed = format!("{vault:?} {key:?} {wrapped:?} {sealed:?} {opened:?} {ring:?}");
    assert!(!printed.contains("hunter2"), "{printed}");
    for bytes in [
        format!("{OLD:?}"),
        format!("{:?}", wrapped.bytes),
        format!("{:?}", sealed.ciphertext),
    ] {
        assert!(!printed.contains(&bytes[1..bytes.len() - 1]), "{printed}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_comes_back(value in ".{0,200}", name in "[a-z_]{1,64}") {
        let key = futures::executor::block_on(Vault::new(KeyRing::of(OLD)).make_key(ALPHA, 1)).unwrap().0;
        let sealed = key.seal(Slot::Secret(&name), &value.as_str().into()).unwrap();
        let opened = key.open(Slot::Secret(&name), &sealed).unwrap();
        proptest::prop_assert_eq!(opened.expose_secret(), value.as_str());
    }
}
