#include "report/page_parts.hpp"

namespace ddls::report {
namespace {

constexpr std::string_view script = R"js(
'use strict';
(() => {
  const make = (tag, text, attributes) => {
    const element = document.createElement(tag);
    if (text) element.textContent = text;
    for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
    return element;
  };
  const save = (name, href) => {
    const link = make('a', '', {href, download: name});
    document.body.append(link);
    link.click();
    link.remove();
  };
  const saveBlob = (name, blob) => {
    const url = URL.createObjectURL(blob);
    save(name, url);
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  };

  // The colours of an SVG are variables of the page: a copy is given their values, then drawn at twice its size.
  const looks = ['fill', 'stroke', 'stroke-width', 'stroke-dasharray', 'stroke-linejoin', 'font-family', 'font-size',
                 'font-weight', 'text-anchor'];
  const copyOf = (svg) => {
    const copy = svg.cloneNode(true), originals = svg.querySelectorAll('*');
    copy.querySelectorAll('*').forEach((element, i) => {
      const style = getComputedStyle(originals[i]);
      for (const look of looks) element.style.setProperty(look, style.getPropertyValue(look));
    });
    return copy;
  };
  const savePlot = (name, svg) => {
    const box = svg.viewBox.baseVal, copy = copyOf(svg), scale = 2;
    copy.setAttribute('width', box.width);
    copy.setAttribute('height', box.height);
    const image = new Image();
    image.onload = () => {
      const canvas = make('canvas', '', {width: box.width * scale, height: box.height * scale});
      const pen = canvas.getContext('2d');
      pen.fillStyle = getComputedStyle(svg).backgroundColor;
      pen.fillRect(0, 0, canvas.width, canvas.height);
      pen.drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => saveBlob(name + '.png', blob), 'image/png');
    };
    image.src = 'data:image/svg+xml;charset=utf-8,' + encodeURIComponent(new XMLSerializer().serializeToString(copy));
  };

  // Numbers of a figure as lines of CSV.
  const cell = (value) => /[",\n]/.test(value) ? '"' + String(value).replaceAll('"', '""') + '"' : value;
  const seriesRows = (data) => {
    const rows = [['series', data.x || 'x', data.y || 'y']];
    let x = [];
    for (const series of data.series) {
      x = series.x || x;
      series.y.forEach((y, i) => rows.push([series.label, x[i], y]));
    }
    return rows;
  };
  const pointRows = (data) => {
    const rows = [['set', 'x', 'y']];
    for (const set of data.points) {
      const bytes = Uint8Array.from(atob(set.cells), (c) => c.charCodeAt(0)), cells = new DataView(bytes.buffer);
      const place = (at, from) => (from + (cells.getUint16(at, true) + 0.5) / 65536 * data.side).toPrecision(6);
      for (let at = 0; bytes.length > at; at += 4) rows.push([set.label, place(at, data.x0), place(at + 2, data.y0)]);
    }
    return rows;
  };
  const csv = (data) => {
    const rows = data.rows ? [data.columns, ...data.rows] : data.points ? pointRows(data) : seriesRows(data);
    return rows.map((row) => row.map(cell).join(',')).join('\n') + '\n';
  };

  const button = (text, label, action) => {
    const element = make('button', text, {type: 'button', 'aria-label': label, title: label});
    element.addEventListener('click', action);
    return element;
  };

  // One picture of several at a time; `show` is called with its number.
  const turner = (figure, tools, name) => {
    const images = [...figure.querySelectorAll('img')], labels = images.map((image) => image.dataset.label);
    let seen = 0;
    const said = make('output', labels[0], {'aria-live': 'polite'});
    const show = (number) => {
      seen = Math.max(0, Math.min(images.length - 1, number));
      images.forEach((image, i) => { image.hidden = i !== seen; });
      said.textContent = labels[seen];
    };
    if (figure.dataset.turn === 'slider') {
      const slider = make('input', '', {type: 'range', min: 0, max: images.length - 1, value: 0, step: 1,
                                        'aria-label': name + ': step of the chains', 'aria-valuetext': labels[0]});
      slider.addEventListener('input', () => {
        show(Number(slider.value));
        slider.setAttribute('aria-valuetext', labels[seen]);
      });
      tools.append(slider, said);
      return;
    }
    const back = button('‹', name + ': page before', () => move(-1)), on = button('›', name + ': next page', () => move(1));
    const move = (by) => {
      show(seen + by);
      back.disabled = seen === 0;
      on.disabled = seen === images.length - 1;
    };
    tools.append(back, said, on);
    move(0);
  };

  for (const figure of document.querySelectorAll('figure[data-name]')) {
    const name = figure.dataset.name, svg = figure.querySelector('svg');
    const tools = make('div', '', {class: 'tools'});
    if (figure.dataset.turn) turner(figure, tools, name);
    tools.append(button('PNG', name + ': save the figure as PNG', () => {
      if (svg) savePlot(name, svg);
      else save(name + '.png', figure.querySelector('img:not([hidden])').src);
    }));
    const data = figure.querySelector('script');
    if (data) {
      tools.append(button('CSV', name + ': save its numbers as CSV', () => {
        saveBlob(name + '.csv', new Blob([csv(JSON.parse(data.textContent))], {type: 'text/csv'}));
      }));
    }
    figure.querySelector('figcaption') ? figure.querySelector('figcaption').before(tools) : figure.append(tools);
  }

  // A page that follows a run loads itself anew, and stands where it stood.
  const seconds = Number(document.documentElement.dataset.reload || 0);
  if (seconds) setTimeout(() => location.reload(), 1000 * seconds);
})();
)js";

}  // namespace

std::string_view page_script() { return script; }

}  // namespace ddls::report
