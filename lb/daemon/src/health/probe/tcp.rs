//! `tcp`: a connection is accepted. It is closed by a reset, so that none waits for its end: at
//! thousands a second they would fill the box's tables.

use std::io;
use std::net::SocketAddr;

use lb_core::health::Phase;
use tokio::net::{TcpSocket, TcpStream};

use super::{Progress, Report};

pub async fn ask(to: SocketAddr, progress: &Progress) -> Report {
    match connect(to, progress).await {
        Ok(_) => progress.passed(format!("L4 ok in {} ms", progress.ms())),
        Err(report) => report,
    }
}

/// Err: what is said of it.
pub async fn connect(to: SocketAddr, progress: &Progress) -> Result<TcpStream, Report> {
    let socket = socket(to).map_err(|error| progress.error("L4", &error))?;
    progress.enter(Phase::Connect);
    let connected = socket.connect(to).await;
    connected.map_err(|error| progress.error("L4", &error))
}

fn socket(to: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match to {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_zero_linger()?;
    socket.set_nodelay(true)?;
    Ok(socket)
}
