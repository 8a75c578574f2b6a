//! The methods of an object store, each one request under the plan.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::objects::FaultyObjects;
use crate::objects::plan::Operation;

#[async_trait]
impl ObjectStore for FaultyObjects {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let operation = if opts.mode == PutMode::Create { Operation::Create } else { Operation::Put };
        let (inner, path) = (Arc::clone(&self.inner), location.clone());
        self.request(operation, location.clone(), async move { inner.put_opts(&path, payload, opts).await }).await
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(Error::NotSupported { source: "objects are put whole".into() })
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let operation = if options.head { Operation::Head } else { Operation::Get };
        let (inner, path) = (Arc::clone(&self.inner), location.clone());
        let asked = self.request(operation, location.clone(), async move { inner.get_opts(&path, options).await });
        let mut found = asked.await?;
        found.meta = self.dated(found.meta);
        Ok(found)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let delete = move |location: Path| {
            let (store, inner) = (store.clone(), Arc::clone(&store.inner));
            async move {
                let path = location.clone();
                store.request(Operation::Delete, location.clone(), async move { inner.delete(&path).await }).await?;
                Ok(location)
            }
        };
        locations.and_then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let folder = prefix.cloned();
        self.listed(prefix, move |inner| inner.list(folder.as_ref()))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        let (folder, offset) = (prefix.cloned(), offset.clone());
        self.listed(prefix, move |inner| inner.list_with_offset(folder.as_ref(), &offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let (inner, folder) = (Arc::clone(&self.inner), prefix.cloned());
        let listed = async move { inner.list_with_delimiter(folder.as_ref()).await };
        let mut found = self.request(Operation::List, prefix.cloned().unwrap_or_default(), listed).await?;
        found.objects = found.objects.into_iter().map(|meta| self.dated(meta)).collect();
        Ok(found)
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(Error::NotSupported { source: "objects are not copied".into() })
    }
}

impl FaultyObjects {
    /// A listing as one request, whole.
    fn listed(
        &self,
        prefix: Option<&Path>,
        list: impl FnOnce(&dyn ObjectStore) -> BoxStream<'static, Result<ObjectMeta>> + Send + 'static,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let (store, inner) = (self.clone(), Arc::clone(&self.inner));
        let folder = prefix.cloned().unwrap_or_default();
        let listed = async move {
            let found = async move { list(&*inner).try_collect::<Vec<_>>().await };
            let found = store.request(Operation::List, folder, found).await?;
            Ok::<_, Error>(stream::iter(found.into_iter().map(move |meta| Ok(store.dated(meta)))))
        };
        stream::once(listed).try_flatten().boxed()
    }

    /// The object with its time of the test's clock, where there is one.
    fn dated(&self, mut meta: ObjectMeta) -> ObjectMeta {
        if let Some(modified) = self.shared.modified.lock().get(&meta.location) {
            meta.last_modified = *modified;
        }
        meta
    }
}
