// Asking the dashboard something, from its own pages.

/** An answer that is no 2xx: `message` is for people. */
export class Refusal extends Error {}

const UNREACHABLE = "The service did not answer. Look at your connection, and try again.";

/** POSTs the fields as a form does. Raises Refusal, and AbortError when `signal` says so. */
export async function post(url, fields, signal) {
  const token = document.querySelector("input[name=csrf_token]").value;
  const headers = { Accept: "application/json, audio/wav", "X-CSRF-Token": token };
  const answer = await fetch(url, { method: "POST", headers, body: new URLSearchParams(fields), signal }).catch(
    (error) => {
      throw error.name === "AbortError" ? error : new Refusal(UNREACHABLE);
    },
  );
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw new Refusal(told.error?.message ?? `${UNREACHABLE} (HTTP ${answer.status})`);
}

/** The form's fields of these names, as they stand; what is not there is left out. */
export function fieldsOf(form, names) {
  const data = new FormData(form);
  return Object.fromEntries(names.filter((name) => data.has(name)).map((name) => [name, data.get(name)]));
}
