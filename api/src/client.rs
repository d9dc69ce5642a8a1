//! A typed client of `/v1`, over the unix socket or plain HTTP.

mod target;
mod transport;

use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request};
use lb_core::intent::Source;
use lb_core::service::{Endpoint, ServiceKey, Share};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::control::{Generation, Precondition};
use crate::parse;
use crate::wire::{
    self, Applied, Attach, ConnectionsPage, Document, DocumentStatus, ErrorBody, InterfaceStatus,
    List, Service, ServiceBackend, ServiceStatus, Status, service_path,
};
pub use target::{Target, TargetError};
use transport::{Answer, Transport};

/// How long one request may take unless said otherwise: longer than the server's own limit.
pub const TIMEOUT: Duration = Duration::from_secs(40);

/// Speaks to one appliance; a connection per request.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Transport,
}

/// Why there is no answer of the kind that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server refused.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Nobody answers there.
    #[error("cannot reach loxid at {target}: {reason}")]
    Unreachable { target: Target, reason: String },
    /// What answers there is not this API.
    #[error("{target} does not answer as loxid does: {reason}")]
    Foreign { target: Target, reason: String },
}

/// An answer of 4xx or 5xx.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct ApiError {
    pub status: u16,
    pub error: Box<ErrorBody>,
}

/// How a change is to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeOptions {
    pub precondition: Precondition,
    /// Only say what would change.
    pub dry_run: bool,
}

/// Which connections. Empty fields filter nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionsRequest {
    /// Key of a service, or its name.
    pub service: Option<String>,
    /// `address` or `address:port`.
    pub client: Option<String>,
    /// `address` or `address:port`.
    pub backend: Option<String>,
    pub protocol: Option<String>,
    pub state: Option<String>,
    /// 1 to 1000.
    pub limit: Option<u16>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

pub type Result<T> = std::result::Result<T, ClientError>;

impl Client {
    pub fn new(target: Target) -> Self {
        Self::with_timeout(target, TIMEOUT)
    }

    pub fn with_timeout(target: Target, timeout: Duration) -> Self {
        Self {
            transport: Transport::new(target, timeout),
        }
    }

    pub fn target(&self) -> &Target {
        self.transport.target()
    }

    pub async fn documents(&self) -> Result<List<DocumentStatus>> {
        self.get("/v1/documents").await
    }

    /// A document and its generation; None if there is none.
    pub async fn document(&self, source: &Source) -> Result<Option<(Document, Generation)>> {
        let answer = match self
            .send(Method::GET, &document_path(source), &[], None)
            .await
        {
            Err(ClientError::Api(error)) if error.status == 404 => return Ok(None),
            answer => answer?,
        };
        let generation = answer
            .etag()
            .and_then(|tag| tag.parse().ok())
            .map(Generation);
        let generation = generation.ok_or_else(|| self.foreign("a document without an ETag"))?;
        Ok(Some((self.read(&answer)?, generation)))
    }

    pub async fn put_document(
        &self,
        source: &Source,
        document: &Document,
        options: &ChangeOptions,
    ) -> Result<Applied> {
        self.change(
            Method::PUT,
            &document_path(source),
            Some(json(document)),
            options,
        )
        .await
    }

    pub async fn delete_document(
        &self,
        source: &Source,
        options: &ChangeOptions,
    ) -> Result<Applied> {
        self.change(Method::DELETE, &document_path(source), None, options)
            .await
    }

    /// What `put_document` would change; every role may ask.
    pub async fn diff(&self, source: &Source, document: &Document) -> Result<Applied> {
        let path = format!("/v1/diff/{source}");
        self.change(
            Method::POST,
            &path,
            Some(json(document)),
            &ChangeOptions::default(),
        )
        .await
    }

    /// Services of all documents.
    pub async fn services(&self) -> Result<List<ServiceStatus>> {
        self.get("/v1/services").await
    }

    pub async fn service(&self, key: &ServiceKey) -> Result<ServiceStatus> {
        self.get(&service_path(key)).await
    }

    /// Adds a service to the document `api`: a conflict if it is there.
    pub async fn create_service(
        &self,
        service: &Service,
        options: &ChangeOptions,
    ) -> Result<Applied> {
        self.change(Method::POST, "/v1/services", Some(json(service)), options)
            .await
    }

    /// Puts a service into the document `api`, in the place of one with its key. The key of the
    /// service must be `key`.
    pub async fn put_service(
        &self,
        key: &ServiceKey,
        service: &Service,
        options: &ChangeOptions,
    ) -> Result<Applied> {
        self.change(
            Method::PUT,
            &service_path(key),
            Some(json(service)),
            options,
        )
        .await
    }

    pub async fn delete_service(
        &self,
        key: &ServiceKey,
        options: &ChangeOptions,
    ) -> Result<Applied> {
        self.change(Method::DELETE, &service_path(key), None, options)
            .await
    }

    /// Backends of all services.
    pub async fn backends(&self) -> Result<List<ServiceBackend>> {
        self.get("/v1/backends").await
    }

    /// Adds a backend to a service of the document `api`, or changes its share.
    pub async fn put_backend(
        &self,
        key: &ServiceKey,
        endpoint: &Endpoint,
        share: Share,
        options: &ChangeOptions,
    ) -> Result<Applied> {
        let body = json(&wire::Share::from(share));
        self.change(
            Method::PUT,
            &backend_path(key, endpoint),
            Some(body),
            options,
        )
        .await
    }

    pub async fn delete_backend(
        &self,
        key: &ServiceKey,
        endpoint: &Endpoint,
        options: &ChangeOptions,
    ) -> Result<Applied> {
        self.change(Method::DELETE, &backend_path(key, endpoint), None, options)
            .await
    }

    pub async fn interfaces(&self) -> Result<List<InterfaceStatus>> {
        self.get("/v1/interfaces").await
    }

    pub async fn attach(&self, attach: &Attach) -> Result<InterfaceStatus> {
        let answer = self
            .send(Method::POST, "/v1/interfaces", &[], Some(json(attach)))
            .await?;
        self.read(&answer)
    }

    /// Takes the program off an interface.
    pub async fn detach(&self, name: &str) -> Result<()> {
        let path = format!("/v1/interfaces/{}", escape(name));
        self.send(Method::DELETE, &path, &[], None)
            .await
            .map(|_| ())
    }

    pub async fn connections(&self, request: &ConnectionsRequest) -> Result<ConnectionsPage> {
        self.get(&format!("/v1/connections{}", query(request)))
            .await
    }

    pub async fn status(&self) -> Result<Status> {
        self.get("/v1/status").await
    }

    /// In the text format of Prometheus.
    pub async fn metrics(&self) -> Result<String> {
        let answer = self.send(Method::GET, "/metrics", &[], None).await?;
        String::from_utf8(answer.body.to_vec()).map_err(|_| self.foreign("metrics are not UTF-8"))
    }

    /// None: the tables follow the documents; else why not.
    pub async fn not_ready(&self) -> Result<Option<String>> {
        match self.send(Method::GET, "/readyz", &[], None).await {
            Ok(_) => Ok(None),
            Err(ClientError::Api(error)) if error.status == 503 => Ok(Some(error.error.message)),
            Err(error) => Err(error),
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let answer = self.send(Method::GET, path, &[], None).await?;
        self.read(&answer)
    }

    async fn change(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        options: &ChangeOptions,
    ) -> Result<Applied> {
        let path = match options.dry_run {
            true => format!("{path}?dryRun=true"),
            false => path.to_owned(),
        };
        let headers = precondition(&options.precondition);
        let answer = self.send(method, &path, headers.as_slice(), body).await?;
        self.read(&answer)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, String)],
        body: Option<Bytes>,
    ) -> Result<Answer> {
        let mut request = Request::builder().method(method).uri(path);
        request = request
            .header("host", self.target().host())
            .header("accept", "application/json");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let request = request
            .body(Full::new(body.unwrap_or_default()))
            .map_err(|error| self.foreign(format!("{path} cannot be asked for: {error}")))?;
        let answer = self.transport.send(request).await?;
        if answer.status < 300 {
            return Ok(answer);
        }
        match parse::json::<wire::ErrorEnvelope>(&answer.body) {
            Ok(envelope) => Err(ApiError {
                status: answer.status,
                error: Box::new(envelope.error),
            }
            .into()),
            Err(_) => {
                Err(self.foreign(format!("status {} without an error's body", answer.status)))
            }
        }
    }

    fn read<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T> {
        parse::json(&answer.body).map_err(|error| self.foreign(error))
    }

    fn foreign(&self, reason: impl ToString) -> ClientError {
        ClientError::Foreign {
            target: self.target().clone(),
            reason: reason.to_string(),
        }
    }
}

fn document_path(source: &Source) -> String {
    format!("/v1/documents/{source}")
}

fn backend_path(key: &ServiceKey, endpoint: &Endpoint) -> String {
    let port = match endpoint.port {
        Some(port) => port.to_string(),
        None => "*".to_owned(),
    };
    format!("{}/backends/{}/{port}", service_path(key), endpoint.addr)
}

fn json<T: Serialize>(value: &T) -> Bytes {
    serde_json::to_vec(value)
        .expect("wire types have string keys and write to memory")
        .into()
}

fn precondition(precondition: &Precondition) -> Option<(&'static str, String)> {
    match precondition {
        Precondition::None => None,
        Precondition::Absent => Some(("if-none-match", "*".into())),
        Precondition::Present => Some(("if-match", "*".into())),
        Precondition::Generation(wanted) => {
            let tags: Vec<String> = wanted
                .iter()
                .map(|generation| format!("\"{generation}\""))
                .collect();
            Some(("if-match", tags.join(", ")))
        }
    }
}

fn query(request: &ConnectionsRequest) -> String {
    let limit = request.limit.map(|limit| limit.to_string());
    let fields = [
        ("service", &request.service),
        ("client", &request.client),
        ("backend", &request.backend),
        ("protocol", &request.protocol),
        ("state", &request.state),
        ("limit", &limit),
        ("cursor", &request.cursor),
    ];
    let pairs = fields
        .iter()
        .filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let pairs: Vec<String> = pairs
        .map(|(name, value)| format!("{name}={}", escape(value)))
        .collect();
    if pairs.is_empty() {
        String::new()
    } else {
        format!("?{}", pairs.join("&"))
    }
}

/// Percent-encodes everything but unreserved characters (RFC 3986, 2.3).
fn escape(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            (byte as char).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}
