// Looks at the page it stands in as a reader would, and tells the page around it what is wrong.
addEventListener("load", () => {
  document.querySelectorAll("details").forEach((folded) => (folded.open = true));
  const wrong = [];
  const width = document.documentElement.clientWidth;
  const name = (element) => {
    const text = (element.textContent || "").trim().slice(0, 40);
    return `<${element.tagName.toLowerCase()} class="${element.getAttribute("class") || ""}"> ${text}`;
  };
  const style = (element) => getComputedStyle(element);
  const scrolls = (element) => ["auto", "scroll"].includes(style(element).overflowX);
  // What is there for those who do not see is a pixel for those who do.
  const isForEars = (element) => {
    for (let it = element; it; it = it.parentElement) {
      const box = it.getBoundingClientRect();
      if (box.width <= 1 && box.height <= 1) return true;
    }
    return false;
  };
  const isInScroller = (element) => {
    for (let it = element.parentElement; it; it = it.parentElement) if (scrolls(it)) return true;
    return false;
  };
  if (document.documentElement.scrollWidth > width) {
    wrong.push(`the page is ${document.documentElement.scrollWidth} wide`);
  }
  for (const element of document.body.querySelectorAll("*")) {
    const box = element.getBoundingClientRect();
    if (box.width === 0 || box.height === 0 || isForEars(element)) continue;
    if ((box.right > width + 1 || box.left < -1) && !isInScroller(element)) {
      wrong.push(`reaches beyond the page: ${name(element)}`);
    }
    const hides = style(element).overflowX === "hidden" || style(element).textOverflow === "ellipsis";
    if (hides && element.scrollWidth > element.clientWidth + 1 && !element.closest("svg")) {
      wrong.push(`is cut: ${name(element)}`);
    }
  }
  // Elsewhere the browser keeps texts apart; in a picture they stand where they were put.
  const overlap = (a, b) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2;
  for (const picture of document.querySelectorAll("svg")) {
    const frame = picture.getBoundingClientRect();
    const texts = [...picture.querySelectorAll("text")].map((it) => [it, it.getBoundingClientRect()]);
    texts.forEach(([text, box], at) => {
      if (box.left < frame.left - 1 || box.right > frame.right + 1) {
        wrong.push(`leaves its picture: ${name(text)}`);
      }
      for (const [other, its] of texts.slice(at + 1)) {
        if (overlap(box, its)) wrong.push(`overlap: ${name(text)} and ${name(other)}`);
      }
    });
  }
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const luminance = (color) => {
    const [r, g, b] = color.match(/[\d.]+/g).map(Number).map((part) => {
      const it = part / 255;
      return it <= 0.03928 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (element) => {
    for (let it = element; it; it = it.parentElement) {
      const color = style(it).backgroundColor;
      if (!/, 0\)$|transparent/.test(color)) return color;
    }
    return isDark ? "rgb(0, 0, 0)" : "rgb(255, 255, 255)";
  };
  const seen = new Set();
  for (const element of document.body.querySelectorAll("*")) {
    const hasText = [...element.childNodes].some((it) => it.nodeType === 3 && it.data.trim());
    if (!hasText || element.closest("svg") || element.getBoundingClientRect().width === 0) continue;
    const colors = [style(element).color, background(element)];
    if (seen.has(colors.join())) continue;
    seen.add(colors.join());
    const [light, dark] = colors.map(luminance).sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < 4.5) wrong.push(`contrast ${contrast.toFixed(1)} of ${colors}: ${name(element)}`);
  }
  document.querySelectorAll("table").forEach((table) => {
    if (!table.querySelector("th")) wrong.push(`a table without headers: ${name(table)}`);
  });
  document.querySelectorAll("svg, img").forEach((picture) => {
    const isNamed = picture.getAttribute("aria-label") || picture.getAttribute("alt") ||
      picture.querySelector("title") || picture.closest("[aria-label], [aria-hidden=true], figure");
    if (!isNamed) wrong.push("a picture without a text in its place");
  });
  parent.postMessage({ isDark, width, wrong: wrong.slice(0, 20) }, "*");
});
