//! A lake in a bucket of a cloud.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, PutResult, UpdateVersion};

use super::files::{LakeFile, LakeListing};
use super::manifest::table_and_epoch;
use super::{bucket_client, bucket_error};
use crate::push::PushError;
use crate::store::FEED_TABLES;
use crate::target::BucketAddress;

#[derive(Debug)]
pub(super) struct LakeBucket {
    target: String,
    place: BucketAddress,
    store: Arc<dyn ObjectStore>,
    /// Whether the server refuses conditions of writes. Real clouds do not.
    has_no_conditions: AtomicBool,
}

/// What tells a version of an object from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ObjectTag {
    e_tag: Option<String>,
    version: Option<String>,
}

impl LakeBucket {
    pub(super) fn open(target: &str, place: &BucketAddress) -> Result<LakeBucket, PushError> {
        let store = bucket_client::connect(target, place)?;
        Ok(LakeBucket { target: target.to_owned(), place: place.clone(), store, has_no_conditions: false.into() })
    }

    /// An object, unless it is larger than a limit.
    pub(super) async fn read(&self, path: &str, most: u64) -> Result<Option<(Bytes, ObjectTag)>, PushError> {
        let found = match self.store.get(&self.key(path)?).await {
            Err(Error::NotFound { .. }) => return Ok(None),
            found => found.map_err(|error| self.failed(&error))?,
        };
        if found.meta.size > most {
            return Err(PushError::Refused {
                target: self.target.clone(),
                why: format!("{path} is too large"),
                hint: None,
            });
        }
        let tag = ObjectTag { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
        let bytes = found.bytes().await.map_err(|error| self.failed(&error))?;
        Ok(Some((bytes, tag)))
    }

    /// Writes an object that does not exist. Returns false if it does.
    pub(super) async fn create(&self, path: &str, bytes: Bytes) -> Result<bool, PushError> {
        self.replace(path, bytes, None).await
    }

    /// Writes an object if it is still the one that was read, or if there was none. Returns false if it is not.
    pub(super) async fn replace(
        &self,
        path: &str,
        bytes: Bytes,
        before: Option<&ObjectTag>,
    ) -> Result<bool, PushError> {
        let key = self.key(path)?;
        if !self.has_no_conditions.load(Ordering::Relaxed) {
            let mode = match before {
                None => PutMode::Create,
                Some(ObjectTag { e_tag, version }) => {
                    PutMode::Update(UpdateVersion { e_tag: e_tag.clone(), version: version.clone() })
                }
            };
            match self.put(&key, bytes.clone(), mode).await {
                Ok(_) => return Ok(true),
                Err(Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotModified { .. }) => {
                    return Ok(false);
                }
                Err(error) if bucket_error::has_no_conditions(&error) => {
                    // The error contains the address, which may be signed.
                    tracing::debug!("the bucket has no conditional writes");
                    self.has_no_conditions.store(true, Ordering::Relaxed);
                }
                Err(error) => return Err(self.failed(&error)),
            }
        }
        // The next best: the time between both requests is short.
        let now = self.read(path, u64::MAX).await?.map(|(_, tag)| tag);
        if now.as_ref() != before {
            return Ok(false);
        }
        self.put(&key, bytes, PutMode::Overwrite).await.map(|_| true).map_err(|error| self.failed(&error))
    }

    /// The objects of pushes, and foreign objects with names that look as if they were in the same folders.
    pub(super) async fn list(&self) -> Result<LakeListing, PushError> {
        let prefix = (!self.place.prefix.is_empty()).then(|| self.key("")).transpose()?;
        let below = if self.place.prefix.is_empty() { String::new() } else { format!("{}/", self.place.prefix) };
        let mut listing = LakeListing::default();
        let mut found = self.store.list(prefix.as_ref());
        while let Some(object) = found.next().await {
            let object = match object {
                Err(Error::NotFound { .. }) => break,
                object => object.map_err(|error| self.failed(&error))?,
            };
            let Some(path) = object.location.as_ref().strip_prefix(&below) else { continue };
            let mut parts = path.split('/');
            let is_of_table = parts.next().is_some_and(|table| FEED_TABLES.contains(&table));
            if table_and_epoch(path).is_some() {
                listing.files.push(LakeFile { path: path.to_owned(), bytes: object.size });
            } else if is_of_table && parts.next().is_some_and(|epoch| epoch.starts_with("epoch=")) {
                listing.others.push(path.to_owned());
            }
        }
        Ok(listing)
    }

    /// Deletes objects. Those that do not exist are no error.
    pub(super) async fn delete(&self, paths: &[String]) -> Result<(), PushError> {
        let keys = paths.iter().map(|path| self.key(path)).collect::<Result<Vec<_>, _>>()?;
        let deleted = self.store.delete_stream(stream::iter(keys.into_iter().map(Ok)).boxed());
        let is_real = |result: Result<Path, Error>| async move {
            match result {
                Err(Error::NotFound { .. }) => Ok(()),
                result => result.map(drop),
            }
        };
        deleted.then(is_real).try_for_each(|()| async { Ok(()) }).await.map_err(|error| self.failed(&error))
    }

    async fn put(&self, key: &Path, bytes: Bytes, mode: PutMode) -> Result<PutResult, Error> {
        self.store.put_opts(key, PutPayload::from(bytes), PutOptions::from(mode)).await
    }

    fn key(&self, path: &str) -> Result<Path, PushError> {
        let key = [&*self.place.prefix, path].join("/");
        Path::parse(key.trim_matches('/')).map_err(|error| self.failed(&error.into()))
    }

    fn failed(&self, error: &Error) -> PushError {
        bucket_error::push_error(&self.target, &self.place, error)
    }
}
