//! The way to directories: places the owner named, asked over the unguarded client, and only when somebody looks for
//! something. What they answer is bounded here and believed nowhere.

use async_trait::async_trait;
use reqwest::Response;
use url::Url;

use crate::limits;
use crate::listing::Directory;
use crate::outward::{self, OutwardClient};
use crate::ports::{Directories, DirectoryReply};

/// Directories on the web.
#[derive(Debug)]
pub struct WebDirectories {
    all: Vec<Directory>,
    client: OutwardClient,
}

impl WebDirectories {
    /// Nobody is asked yet.
    pub fn new(all: Vec<Directory>) -> WebDirectories {
        WebDirectories { all, client: OutwardClient::default() }
    }
}

#[async_trait]
impl Directories for WebDirectories {
    fn all(&self) -> &[Directory] {
        &self.all
    }

    async fn fetch(&self, url: &Url) -> Result<DirectoryReply, String> {
        let asked = self.client.get()?.get(url.clone()).header("accept", "application/json").send().await;
        let response = asked.map_err(|error| outward::root(&error))?;
        Ok(DirectoryReply { status: response.status().as_u16(), body: whole(response).await? })
    }
}

/// All of a body, or nothing of it.
async fn whole(mut response: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| outward::root(&error))? {
        if body.len() + part.len() > limits::DIRECTORY_BYTES {
            return Err(format!("its answer is longer than {} bytes", limits::DIRECTORY_BYTES));
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}
