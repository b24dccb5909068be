// What is asked of the server, and its streams.

let csrf = "";

/** Lets this browser in by the token in the address, which goes away from there. */
export async function enter() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token) {
    history.replaceState(null, "", "#/");
    await answered(await fetch("/login", { method: "POST", body: JSON.stringify({ token }) }));
  }
  const session = await ask("session");
  csrf = session.csrf;
  return session;
}

export async function ask(path) {
  return (await answered(await fetch(`/api/${path}`))).json();
}

export async function tell(path, body) {
  const headers = { "x-csrf-token": csrf };
  await answered(await fetch(`/api/${path}`, { method: "POST", headers, body: JSON.stringify(body) }));
}

async function answered(response) {
  if (!response.ok) throw new Error((await response.text()) || response.statusText);
  return response;
}

/** Calls `take` with what comes, again and again; whether the connection stands is shown at the top. */
export function stream(path, take) {
  const link = document.getElementById("link");
  const source = new EventSource(`/api/${path}`);
  const show = (text, state) => {
    link.textContent = text;
    link.className = state;
  };
  source.onopen = () => show("live", "good");
  source.onerror = () => show(source.readyState === EventSource.CLOSED ? "not connected" : "connection lost, trying again", "bad");
  source.onmessage = (message) => take(JSON.parse(message.data));
  return () => {
    source.close();
    show("", "");
  };
}
