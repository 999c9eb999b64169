//! Tokens of programs: a user's, and an operator's or a reseller's, by the same rules.

use super::{Desk, Doer};
use crate::api::tokens::TokenAsk;
use crate::api::view::scopes_of;
use crate::api::{Grant, Permission, Problem, Reply, Request, Scopes, TokenView, Viewer, login};

const NO_TOKEN: Problem = Problem::NotFound { what: "token" };

impl Desk {
    /// What `viewer` asks of their own tokens. `doer`: as the access log names them.
    pub(super) async fn tokens(&self, viewer: &Viewer, doer: &Doer, ask: TokenAsk) -> Result<Reply, Problem> {
        match ask {
            TokenAsk::List => {
                let rows = self.store.tokens_of(viewer.owner, self.world.wall()).await?;
                Ok(Reply::Tokens(rows.iter().map(TokenView::from).collect()))
            }
            TokenAsk::Add { name, scopes, days } => {
                let grant = self.make_token(viewer, &name, &scopes, days).await?;
                self.log(doer, "token.add", format!("token {}", grant.row.id)).await?;
                Ok(Reply::NewToken(grant))
            }
            TokenAsk::Remove { id } => match self.store.remove_token(viewer.owner, id).await? {
                true => {
                    self.log(doer, "token.remove", format!("token {id}")).await?;
                    // Its open streams end now.
                    self.operator.ask(Request::Wake).await;
                    Ok(Reply::Done)
                }
                false => Err(NO_TOKEN),
            },
        }
    }

    /// A token for whoever asks.
    async fn make_token(&self, viewer: &Viewer, name: &str, scopes: &[String], days: u32) -> Result<Grant, Problem> {
        if name.is_empty() || name.chars().count() > 80 {
            return Err(Problem::Invalid { key: "name", value: name.to_owned(), expected: "1 to 80 characters" });
        }
        let scopes = scopes_of(scopes).map_err(|value| Problem::Invalid {
            key: "scopes",
            value,
            expected: "a scope that GET /api/v1/openapi.json lists (NewToken), or a pattern such as calld.users.me.#",
        })?;
        // A token cannot give away more than it has.
        let allowed = |scope: &String| match Permission::parse(scope) {
            Some(scope) => viewer.scopes.allow(scope),
            // Whether a pattern gives less than others nobody can say of every pattern.
            None => viewer.scopes == Scopes::All,
        };
        if !scopes.iter().all(allowed) {
            return Err(Problem::Forbidden("a token cannot make one that may do more than itself"));
        }
        let now = self.world.wall();
        if viewer.ends.is_some_and(|ends| login::token_ends(now, days) > ends) {
            return Err(Problem::Forbidden("a token cannot make one that outlives itself: give it fewer days"));
        }
        login::secret_token(&self.store, viewer.owner, (name, scopes, days), now, &mut *self.world.random()).await
    }
}
