//! API keys: 256 random bits of which only the hash is kept, shown once.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::User;
use crate::config::sha256;
use crate::problem::Problem;
use crate::store::{ItemKey, Store, Table};
use crate::values::Timestamp;

/// What a key begins with, so that a scanner for leaked secrets can find it.
const PREFIX: &str = "qk_";

/// A key that was sent: whose it says it is, and the secret that is to prove it.
pub struct ApiKey {
    user_id: Uuid,
    key_id: Uuid,
    secret: [u8; 32],
}

/// A key as the table holds it. The secret has 256 random bits, so that a plain hash will do.
#[derive(Serialize, Deserialize)]
pub struct StoredKey {
    pub key_id: Uuid,
    pub user_id: Uuid,
    pub secret_sha256: String,
    pub created_at: Timestamp,
}

/// What either item of a look-up may be.
#[derive(Deserialize)]
#[serde(untagged)]
enum Found {
    Key(StoredKey),
    User(User),
}

impl StoredKey {
    pub fn item_key(key_id: Uuid) -> ItemKey {
        ItemKey::new(format!("key#{key_id}"), "key")
    }

    /// A new key: what is stored of it, and the token to show once.
    pub fn new(user_id: Uuid, created_at: Timestamp) -> Result<(Self, SecretString), Problem> {
        let mut secret = [0; 32];
        let filled = SystemRandom::new().fill(&mut secret);
        filled.map_err(|_| Problem::bug("the system has no random bytes"))?;
        let key_id = Uuid::now_v7();
        let bytes = [user_id.as_bytes().as_slice(), key_id.as_bytes(), &secret].concat();
        let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        let secret_sha256 = hex::encode(sha256(&secret));
        Ok((Self { key_id, user_id, secret_sha256, created_at }, token.into()))
    }
}

impl ApiKey {
    /// A malformed key becomes one that nobody has, so that it takes the same way as any other.
    pub fn parse(sent: &[u8]) -> Self {
        let encoded = sent.strip_prefix(PREFIX.as_bytes()).unwrap_or_default();
        let bytes = URL_SAFE_NO_PAD.decode(encoded).unwrap_or_default();
        let (user_id, rest) = bytes.split_first_chunk().unwrap_or((&[0; 16], &[]));
        let (key_id, rest) = rest.split_first_chunk().unwrap_or((&[0; 16], &[]));
        let secret = rest.try_into().unwrap_or([0; 32]);
        Self { user_id: Uuid::from_bytes(*user_id), key_id: Uuid::from_bytes(*key_id), secret }
    }

    /// The key's user, if the key is good and the user not disabled: one call, whatever is wrong.
    pub async fn verify(&self, store: &Store) -> Result<Option<User>, Problem> {
        let keys = [StoredKey::item_key(self.key_id), User::item_key(self.user_id)];
        let (mut key, mut user) = (None, None);
        for found in store.get_many(Table::Users, &keys).await? {
            match found {
                Found::Key(found) => key = Some(found),
                Found::User(found) => user = Some(found),
            }
        }
        let kept = key.as_ref().map_or_else(String::new, |key| key.secret_sha256.clone());
        let same = bool::from(hex::encode(sha256(&self.secret)).as_bytes().ct_eq(kept.as_bytes()));
        let whose = key.is_some_and(|key| key.user_id == self.user_id);
        Ok(user.filter(|user| same && whose && !user.disabled))
    }
}
