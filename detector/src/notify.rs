//! Does a message really arrive?
//!
//! Each route gets one message that says it is a test ([`crate::sink::trial`]), and what the receiver answered is printed.

use std::sync::Arc;

use crate::alert::WireContext;
use crate::app;
use crate::cli;
use crate::config::{Config, Route, suggestion};
use crate::failure::Failure;
use crate::sink::courier::{Courier, Refusal};
use crate::sink::trial::{self, next_step};

/// `bgpwarden notify --test`. A line per route; fails if one route did.
pub fn command(args: &cli::Notify) -> Result<(), Failure> {
    let config = Config::load(args.config.as_deref())?;
    let routes = chosen(&config, args.route.as_deref())?;
    let context = WireContext { public_url: config.http.public_url.clone(), ..WireContext::default() };
    app::block_on(async {
        let mut failed = 0;
        for route in &routes {
            let answer = test(route, &context).await;
            failed += usize::from(answer.is_err());
            let (outcome, what) = answer.map_or_else(|error| ("FAILED", error), |answer| ("delivered", answer));
            println!("{} ({}): {outcome}: {what}", route.name, route.kind.word());
        }
        match failed {
            0 => Ok(()),
            failed => Err(Failure::failed(format!("{failed} of {} routes failed", routes.len()))),
        }
    })
}

fn chosen<'a>(config: &'a Config, name: Option<&str>) -> Result<Vec<&'a Route>, Failure> {
    if config.routes.is_empty() {
        let what = "there is no route to test; write [routes.NAME] with kind = \"webhook\" into the configuration and \
                    name it with --config";
        return Err(Failure::impossible(what));
    }
    let chosen: Vec<_> = config.routes.iter().filter(|route| name.is_none_or(|name| *route.name == *name)).collect();
    match name {
        Some(name) if chosen.is_empty() => {
            let known: Vec<_> = config.routes.iter().map(|route| &*route.name).collect();
            Err(Failure::impossible(format!("no route is called \"{name}\"; {}", suggestion(name, &known))))
        }
        _ => Ok(chosen),
    }
}

async fn test(route: &Route, context: &WireContext) -> Result<String, String> {
    let courier = Courier::new(route, None, context.clone(), Arc::default()).map_err(|failure| failure.to_string())?;
    let refused = |refusal: Refusal| format!("{}; {}", refusal.error, next_step(refusal.reason, &route.name));
    trial::send(&courier).await.map_err(refused)
}
