//! A typed client of `/v1`: over the unix socket, HTTP, or HTTPS with a token.

pub mod contexts;
mod credentials;
mod event_stream;
mod target;
mod transport;

use std::ops::ControlFlow;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request};
use lb_core::intent::Source;
use lb_core::service::{Endpoint, ServiceKey, Share};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::control::{Generation, Precondition, Terms};
use crate::parse;
use crate::wire::{
    self, Applied, Attach, BackendDescription, Confirmation, ConnectionsPage, CreatedToken,
    Document, DocumentStatus, ErrorBody, Event, EventId, EventKind, HistoryDetail, HistoryEntry,
    InterfaceStatus, List, NewToken, OperatorState, Service, ServiceBackend, ServiceStatus,
    SetOperatorState, Status, Token, service_path,
};
pub use credentials::{CredentialError, CredentialFiles, Credentials};
pub use event_stream::Heard;
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
    /// Of a document that is put, and of a rollback.
    pub terms: Terms,
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
            transport: Transport::new(target, timeout, Credentials::default()),
        }
    }

    pub fn with_credentials(target: Target, credentials: Credentials) -> Self {
        Self {
            transport: Transport::new(target, TIMEOUT, credentials),
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

    /// A backend of a service, or of all that lead to it, with its last probes.
    pub async fn describe_backend(
        &self,
        service: Option<&ServiceKey>,
        endpoint: &Endpoint,
    ) -> Result<List<BackendDescription>> {
        self.get(&place_path(service, endpoint)).await
    }

    /// Drains, disables or enables a backend of a service, or of all.
    pub async fn set_operator_state(
        &self,
        service: Option<&ServiceKey>,
        endpoint: &Endpoint,
        state: OperatorState,
    ) -> Result<List<ServiceBackend>> {
        let path = format!("{}/state", place_path(service, endpoint));
        let body = json(&SetOperatorState { state });
        let answer = self.send(Method::PUT, &path, &[], Some(body)).await?;
        self.read(&answer)
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

    pub async fn tokens(&self) -> Result<List<Token>> {
        self.get("/v1/tokens").await
    }

    /// Makes a token. The answer has its secret.
    pub async fn create_token(&self, token: &NewToken) -> Result<CreatedToken> {
        let body = Some(json(token));
        let answer = self.send(Method::POST, "/v1/tokens", &[], body).await?;
        self.read(&answer)
    }

    pub async fn revoke_token(&self, name: &str) -> Result<()> {
        let path = format!("/v1/tokens/{}", escape(name));
        self.send(Method::DELETE, &path, &[], None).await.map(drop)
    }

    pub async fn connections(&self, request: &ConnectionsRequest) -> Result<ConnectionsPage> {
        self.get(&format!("/v1/connections{}", query(request)))
            .await
    }

    /// Generations that are kept, newest first: of one document, or of all.
    pub async fn history(&self, source: Option<&Source>) -> Result<List<HistoryEntry>> {
        let source = source.map(|source| format!("?source={}", escape(&source.to_string())));
        self.get(&format!("/v1/history{}", source.unwrap_or_default()))
            .await
    }

    /// One of them with its contents.
    pub async fn generation(&self, generation: u64) -> Result<HistoryDetail> {
        self.get(&format!("/v1/history/{generation}")).await
    }

    /// Makes an earlier generation's contents the document again.
    pub async fn rollback(&self, generation: u64, options: &ChangeOptions) -> Result<Applied> {
        let path = format!("/v1/history/{generation}/rollback");
        self.change(Method::POST, &path, None, options).await
    }

    /// Keeps the change that waits to be confirmed; with a generation, no other than that.
    pub async fn confirm(&self, generation: Option<u64>) -> Result<Confirmation> {
        let headers = waiting(generation);
        let answer = self
            .send(Method::POST, "/v1/confirmation", &headers, None)
            .await?;
        self.read(&answer)
    }

    /// Takes it back.
    pub async fn revert(&self, generation: Option<u64>) -> Result<Applied> {
        let headers = waiting(generation);
        let answer = self
            .send(Method::DELETE, "/v1/confirmation", &headers, None)
            .await?;
        self.read(&answer)
    }

    /// Events that are kept, oldest first; no kinds are all kinds.
    pub async fn events(&self, kinds: &[EventKind]) -> Result<List<Event>> {
        self.get(&format!("/v1/events{}", of_kinds(kinds))).await
    }

    /// Hears events as they happen: those that are kept after `since` first. Ends when `hear`
    /// breaks, or with the connection: who wants to go on asks again, with the id heard last.
    pub async fn listen(
        &self,
        kinds: &[EventKind],
        since: Option<EventId>,
        hear: impl FnMut(Heard) -> ControlFlow<()>,
    ) -> Result<()> {
        let mut request = Request::builder()
            .method(Method::GET)
            .uri(format!("/v1/events{}", of_kinds(kinds)))
            .header("host", self.target().host())
            .header("accept", "text/event-stream");
        if let Some(since) = since {
            request = request.header("last-event-id", since.to_string());
        }
        let request = request
            .body(Full::default())
            .map_err(|error| self.foreign(error))?;
        let mut stream = event_stream::EventStream::new(hear);
        let answer = self
            .transport
            .stream(request, |bytes| stream.push(bytes))
            .await?;
        if answer.status >= 300 {
            return Err(self.refusal(&answer));
        }
        match stream.problem() {
            Some(problem) => Err(self.foreign(problem)),
            None => Ok(()),
        }
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
        let path = format!("{path}{}", terms_query(options));
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
        Err(self.refusal(&answer))
    }

    fn refusal(&self, answer: &Answer) -> ClientError {
        match parse::json::<wire::ErrorEnvelope>(&answer.body) {
            Ok(envelope) => ApiError {
                status: answer.status,
                error: Box::new(envelope.error),
            }
            .into(),
            Err(_) => self.foreign(format!("status {} without an error's body", answer.status)),
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

/// Of a backend in a service, or in all.
fn place_path(service: Option<&ServiceKey>, endpoint: &Endpoint) -> String {
    match service {
        Some(key) => backend_path(key, endpoint),
        None => {
            let port = endpoint.port.map(|port| port.to_string());
            let port = port.unwrap_or_else(|| "*".to_owned());
            format!("/v1/backends/{}/{port}", endpoint.addr)
        }
    }
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

fn terms_query(options: &ChangeOptions) -> String {
    let terms = &options.terms;
    let comment = terms.comment.as_ref();
    let pairs = [
        options.dry_run.then(|| "dryRun=true".to_owned()),
        terms
            .confirm
            .map(|span| format!("confirm={}", span.as_secs())),
        comment.map(|comment| format!("comment={}", escape(comment.as_str()))),
    ];
    let pairs: Vec<String> = pairs.into_iter().flatten().collect();
    match pairs.is_empty() {
        true => String::new(),
        false => format!("?{}", pairs.join("&")),
    }
}

fn waiting(generation: Option<u64>) -> Vec<(&'static str, String)> {
    let tag = |generation| ("if-match", format!("\"{generation}\""));
    generation.map(tag).into_iter().collect()
}

fn of_kinds(kinds: &[EventKind]) -> String {
    let words: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    match words.is_empty() {
        true => String::new(),
        false => format!("?kind={}", words.join(",")),
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
