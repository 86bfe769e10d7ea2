use uuid::Uuid;

use super::Queue;

/// A piece of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    pub title: String,
    /// Among the pieces of the document, from 1.
    pub position: i32,
    pub content: String,
}

impl Queue {
    /// The pieces of an agent's documents that fit a question, by its words and, where there is one, by its vector; the best first.
    ///
    /// # Errors
    /// What the database answered.
    pub async fn search_documents(
        &self,
        tenant: Uuid,
        agent: Uuid,
        question: &str,
        at_most: i32,
        vector: Option<&[f32]>,
    ) -> sqlx::Result<Vec<Passage>> {
        let found = sqlx::query_as!(
            Passage,
            r#"select title as "title!", position as "position!", content as "content!" from queue.search_documents($1, $2, $3, $4, $5)"#,
            tenant,
            agent,
            question,
            at_most,
            vector,
        )
        .fetch_all(&self.pool)
        .await;
        self.note("search_documents", found)
    }
}
