//! What a seller wants signed, as the extension `sign-in-with-x` has it.

use alloy_primitives::Address;
use serde_json::{Map, Value};

use super::{KIND, NotSound, SignIn, VERSION};
use crate::json;
use crate::limits;
use crate::money::Network;

/// A seller's wish, read and not yet checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInWanted {
    /// All that the seller chooses. Address and chain are ours.
    pub(super) fields: SignIn,
    chains: Vec<Network>,
}

impl SignInWanted {
    /// The extension as the seller wrote it. One reading or none.
    pub fn read(extension: &str) -> Result<SignInWanted, NotSound> {
        let Ok(Value::Object(said)) = json::strict(extension) else { return Err(NotSound::Malformed) };
        let info = said.get("info").and_then(Value::as_object).ok_or(NotSound::Malformed)?;
        if text(info, "version")? != VERSION {
            return Err(NotSound::BadField("version"));
        }
        let fields = SignIn {
            domain: text(info, "domain")?,
            address: Address::ZERO,
            statement: optional(info, "statement")?,
            uri: text(info, "uri")?,
            network: Network::eip155(0),
            nonce: text(info, "nonce")?,
            issued_at: text(info, "issuedAt")?,
            expires: optional(info, "expirationTime")?,
            not_before: optional(info, "notBefore")?,
            request_id: optional(info, "requestId")?,
            resources: resources(info)?,
        };
        Ok(SignInWanted { fields, chains: chains(&said)? })
    }

    /// The first chain that the seller takes and its owner's networks have.
    pub(super) fn chain(&self, networks: &[Network]) -> Option<Network> {
        self.chains.iter().find(|chain| networks.contains(chain)).cloned()
    }
}

fn text(info: &Map<String, Value>, key: &'static str) -> Result<String, NotSound> {
    optional(info, key)?.ok_or(NotSound::BadField(key))
}

fn optional(info: &Map<String, Value>, key: &'static str) -> Result<Option<String>, NotSound> {
    match info.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(NotSound::BadField(key)),
    }
}

/// A list with nothing in it is written in two ways by those who check it, so it is signed in none.
fn resources(info: &Map<String, Value>) -> Result<Vec<String>, NotSound> {
    let bad = NotSound::BadField("resources");
    match info.get("resources") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) if (1..=limits::SIGN_IN_RESOURCES).contains(&list.len()) => {
            list.iter().map(|resource| resource.as_str().map(str::to_owned).ok_or(bad)).collect()
        }
        Some(_) => Err(bad),
    }
}

/// Of the chains a seller takes, those on which an EVM key of ours signs a text.
fn chains(said: &Map<String, Value>) -> Result<Vec<Network>, NotSound> {
    let listed = said.get("supportedChains").and_then(Value::as_array).ok_or(NotSound::Malformed)?;
    let ours = |chain: &Value| {
        let is = |key: &str| chain.get(key).and_then(Value::as_str);
        let is_ours =
            is("type") == Some(KIND) && chain.get("signatureScheme").is_none_or(|is| is == KIND || is.is_null());
        let named = Network::new(is("chainId").filter(|_| is_ours)?);
        // In its one spelling: `eip155:08453` is none.
        named.chain_id().map(|_| named)
    };
    Ok(listed.iter().take(limits::OFFERS).filter_map(ours).collect())
}
