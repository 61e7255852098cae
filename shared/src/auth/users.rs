//! Users as they were read, for a minute at the most: a caller that is known costs no read, and a
//! revoked key or a changed user takes effect within that minute.

use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use uuid::Uuid;

use super::key::ApiKey;
use super::token::Subject;
use super::user::{Claim, User};
use crate::config::sha256;
use crate::mark::Mark;
use crate::problem::Problem;
use crate::store::{Store, Table};

const KEPT: Duration = Duration::from_secs(55);
const MOST: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9_999);

/// What a user was found by.
#[derive(Clone, PartialEq, Eq, Hash)]
enum By {
    /// The hash of a whole API key: another secret is another entry.
    Key([u8; 32]),
    Subject(Subject),
}

pub struct KnownUsers(Mutex<LruCache<By, (Arc<User>, Mark)>>);

impl Default for KnownUsers {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MOST)))
    }
}

impl KnownUsers {
    /// The user of a key that was found good lately.
    pub fn known_by_key(&self, sent: &[u8]) -> Option<Arc<User>> {
        self.known(&By::Key(sha256(sent)))
    }

    /// The key's user, if the key is good and the user not disabled.
    pub async fn by_key(&self, store: &Store, sent: &[u8]) -> Result<Option<Arc<User>>, Problem> {
        let asked = Mark::now();
        let user = ApiKey::parse(sent).verify(store).await?;
        Ok(user.map(|user| self.keep(By::Key(sha256(sent)), user, asked)))
    }

    /// The user that a verified token names, if there is one and it isn't disabled.
    pub async fn by_subject(
        &self,
        store: &Store,
        subject: &Subject,
    ) -> Result<Option<Arc<User>>, Problem> {
        let by = By::Subject(subject.clone());
        let asked = Mark::now();
        if let Some(known) = self.known(&by) {
            return Ok(Some(known));
        }
        let by_id = match subject.user_id() {
            Some(id) => read(store, id).await?,
            None => None,
        };
        // A subject of the provider's may have the form of an id of ours.
        let user = match by_id {
            Some(user) => Some(user),
            None => match store.get(Table::Users, &User::subject_key(&subject.0)).await? {
                Some(Claim { user_id }) => read(store, user_id).await?,
                None => None,
            },
        };
        Ok(user.filter(|user| !user.disabled).map(|user| self.keep(by, user, asked)))
    }

    fn known(&self, by: &By) -> Option<Arc<User>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (user, read) = known.get(by)?;
        (read.age() < KEPT).then(|| Arc::clone(user))
    }

    /// `asked`: before the read began, so that its age is never taken for less than it is.
    fn keep(&self, by: By, user: User, asked: Mark) -> Arc<User> {
        let user = Arc::new(user);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.put(by, (Arc::clone(&user), asked));
        user
    }
}

async fn read(store: &Store, id: Uuid) -> Result<Option<User>, Problem> {
    store.get(Table::Users, &User::item_key(id)).await
}
