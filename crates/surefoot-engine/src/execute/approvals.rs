//! Questions on their way to the operator. A yes is in the journal before the task hears it.

use super::commit::{Commits, What};
use crate::action::Question;
use crate::secret::Masks;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Passes each question on to `operator`, for as long as the run asks.
pub(super) async fn relay(
    mut asked: mpsc::Receiver<Question>,
    operator: mpsc::Sender<Question>,
    commits: Commits,
    masks: Masks,
) {
    let mut open = JoinSet::new();
    while let Some(mut question) = asked.recv().await {
        question.text = masks.text(question.text);
        open.spawn(pass_on(question, operator.clone(), commits.clone()));
        while open.try_join_next().is_some() {}
    }
}

/// Where nobody listens, or the answer is no, the question is dropped: that means no.
async fn pass_on(mut question: Question, operator: mpsc::Sender<Question>, commits: Commits) {
    let (answer, given) = oneshot::channel();
    let asked = What::Asked { task: question.task.clone(), question: question.text.clone() };
    commits.post(asked).await;
    let copy = Question { task: question.task.clone(), text: question.text.clone(), answer };
    if operator.send(copy).await.is_err() {
        return;
    }
    let by = tokio::select! {
        by = given => by.ok().flatten(),
        // The task has ended: `given` goes away, by which the operator's side can tell.
        () = question.answer.closed() => None,
    };
    let Some(by) = by else { return };
    let approved = What::Approved { step: question.task.step.clone(), by: by.clone() };
    if commits.send(approved).await.is_ok() {
        let _ = question.answer.send(Some(by)); // the task may have ended meanwhile
    }
}
