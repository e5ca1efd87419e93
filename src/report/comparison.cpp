#include "report/comparison.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.hpp"
#include "base/output.hpp"
#include "report/energy.hpp"
#include "report/group_tables.hpp"
#include "report/html.hpp"
#include "report/metrics.hpp"
#include "report/palette.hpp"
#include "report/records.hpp"
#include "report/run_data.hpp"
#include "report/svg_plot.hpp"

namespace ddls::report {
namespace {

struct NamedRun {
  std::string name;  // what of the folder's path tells it from the others
  RunData data;
};

// The last parts of the paths, as many as make them differ.
std::vector<std::string> short_names(const std::vector<fs::path>& folders) {
  std::vector<fs::path> whole;
  for (const fs::path& folder : folders) {
    fs::path path = fs::absolute(folder).lexically_normal();
    whole.push_back(path.has_filename() ? path : path.parent_path());
  }
  std::vector<fs::path> names, rest = whole;
  names.resize(whole.size());
  for (;;) {
    bool moved = false;
    for (size_t i = 0; i < whole.size(); ++i) {
      if (!rest[i].has_filename()) continue;
      names[i] = names[i].empty() ? rest[i].filename() : rest[i].filename() / names[i];
      rest[i] = rest[i].parent_path();
      moved = true;
    }
    if (!moved || std::set<fs::path>(names.begin(), names.end()).size() == names.size()) break;
  }
  return {names.begin(), names.end()};
}

// What decides whether two values of a metric can be compared.
void require_alike(const std::vector<NamedRun>& runs) {
  for (const char* field : {"extractor.name", "extractor.sha256", "reference.name", "reference.count"}) {
    const std::string first = text_at(runs.front().data.report, field);
    for (const NamedRun& run : runs) {
      const std::string own = text_at(run.data.report, field);
      if (own != first)
        fail(Exit::data, "'{}' and '{}' do not compare: {} is '{}' in the one and '{}' in the other", runs.front().name,
             run.name, field, first, own);
    }
  }
}

// The different names among what `wanted` takes of the runs' parts, in the order in which they appear.
template <typename Part, typename Wanted>
std::vector<std::string> names_in(const std::vector<NamedRun>& runs, std::vector<Part> RunData::*parts, Wanted wanted) {
  std::vector<std::string> names;
  for (const NamedRun& run : runs)
    for (const Part& part : run.data.*parts)
      if (wanted(part) && std::find(names.begin(), names.end(), part.name) == names.end()) names.push_back(part.name);
  return names;
}

std::string heads(const std::vector<NamedRun>& runs) {
  std::string row;
  for (size_t i = 0; i < runs.size(); ++i) row += head(style_dot(style_of_number(i)) + escape(runs[i].name));
  return row;
}

std::string differences(const std::vector<NamedRun>& runs) {
  std::vector<std::map<std::string, std::string>> leaves(runs.size());
  std::set<std::string> keys;
  for (size_t i = 0; i < runs.size(); ++i) {
    leaves[i] = config_leaves(runs[i].data.config);
    for (const auto& [key, value] : leaves[i]) keys.insert(key);
  }
  std::string rows;
  for (const std::string& key : keys) {
    std::string cells;
    std::set<std::string> values;
    for (const auto& own : leaves) {
      const auto found = own.find(key);
      const std::string value = found == own.end() ? "–" : found->second;
      values.insert(value);
      cells += "<td>" + escape(value) + "</td>";
    }
    if (values.size() > 1) rows += "<tr>" + row_head(escape(key)) + cells + "</tr>\n";
  }
  return rows.empty() ? note("The configurations are the same.")
                      : table("Where the runs differ", head("option") + heads(runs), rows, true);
}

std::string results(const std::vector<NamedRun>& runs) {
  std::string rows;
  for (const metrics::MetricColumn& metric : metric_columns()) {
    const auto measured = [&](const MethodRun& method) {
      return metric_value(metric, metrics_of_method(method)).has_value();
    };
    for (const std::string& name : names_in(runs, &RunData::methods, measured)) {
      rows += "<tr>" + row_head(escape(full_title(metric)) + ", " + escape(method_title(name)));
      for (const NamedRun& run : runs) {
        const MethodRun* method = find_method(run.data, name);
        const MetricText text = method ? metric_text(metric, metrics_of_method(*method)) : MetricText{"–", "", true};
        const std::string law = method ? law_note(*method) : std::string();
        rows += fmt::format("<td title=\"{}\">{}{}</td>", escape(text.exact), escape(text.text),
                            law.empty() ? law : "<br/><small>" + escape(law) + "</small>");
      }
      rows += "</tr>\n";
    }
  }
  return rows.empty() ? note("No metrics: none of the runs has evaluated a method.")
                      : table("Metrics of every run", head("metric") + heads(runs), rows, true);
}

// The energies by name, a row per number.
std::string energies(const std::vector<NamedRun>& runs) {
  std::vector<std::string> names;
  for (const NamedRun& run : runs)
    if (const Json& all = at_path(run.data.report, "energies"); all.is_object())
      for (const auto& item : all.items())
        if (std::find(names.begin(), names.end(), item.key()) == names.end()) names.push_back(item.key());
  std::string rows;
  for (const std::string& name : names) {
    std::vector<std::vector<EnergyRow>> of_runs;
    for (const NamedRun& run : runs) of_runs.push_back(energy_rows(at_path(run.data.report, "energies." + name)));
    for (size_t row = 0; row < of_runs.front().size(); ++row) {
      rows += "<tr>" + row_head(fmt::format("{}, {}", escape(of_runs.front()[row].title), escape(name)));
      for (const auto& own : of_runs) rows += "<td>" + escape(own[row].values) + "</td>";
      rows += "</tr>\n";
    }
  }
  return rows.empty() ? rows : table("What the energies are worth", head("energy") + heads(runs), rows, true);
}

std::string plots_of(const std::string& x_label, const std::vector<NamedRun>& runs, auto curves_of) {
  std::string plots;
  for (const metrics::MetricColumn& metric : metric_columns()) {
    std::vector<Series> series;
    for (size_t i = 0; i < runs.size(); ++i)
      if (const Curve* curve = curves_of(runs[i].data, metric)) {
        Series one{runs[i].name, style_of_number(i), curve->x, curve->y};
        for (double& value : one.y) value *= metric.factor;
        series.push_back(thinned(one));
      }
    if (series.empty()) continue;
    const bool log_y = wants_log(series);
    plots += figure_of(Plot{metric.title, x_label, log_y ? "log scale" : metric.unit, series, log_y, {}});
  }
  return plots.empty() ? plots : "<div class=\"wall\">\n" + plots + "</div>\n";
}

// The metrics that were taken while a phase trained, phase by phase.
std::string training_curves(const std::vector<NamedRun>& runs) {
  std::string body;
  for (const std::string& name : names_in(runs, &RunData::phases, [](const PhaseRecords&) { return true; }))
    body +=
        plots_of("training step", runs, [&](const RunData& run, const metrics::MetricColumn& metric) -> const Curve* {
          for (const PhaseRecords& phase : run.phases)
            if (phase.name == name) return find_curve(phase.curves, metric.curve.empty() ? metric.path : metric.curve);
          return nullptr;
        });
  return body;
}

std::string chain_curves(const std::vector<NamedRun>& runs) {
  std::string body;
  for (const std::string& name :
       names_in(runs, &RunData::methods, [](const MethodRun& method) { return !method.quality.empty(); })) {
    const std::string plots =
        plots_of("Langevin step", runs, [&](const RunData& run, const metrics::MetricColumn& metric) -> const Curve* {
          const MethodRun* method = find_method(run, name);
          return method ? find_curve(method->quality, metric.path) : nullptr;
        });
    if (!plots.empty()) body += "<h3>" + escape(method_title(name)) + "</h3>\n" + plots;
  }
  return body;
}

}  // namespace

void write_comparison(const std::vector<fs::path>& folders, const fs::path& page_file, const ComparisonTables& tables) {
  const std::vector<std::string> names = short_names(folders);
  std::vector<NamedRun> runs;
  for (size_t i = 0; i < folders.size(); ++i) runs.push_back({names[i], read_run(folders[i])});
  require_alike(runs);
  std::vector<const RunData*> all;
  for (const NamedRun& run : runs) all.push_back(&run.data);
  const std::vector<RunGroup> groups = groups_of(all);
  const std::vector<GroupValue> values = group_values(groups);
  const std::string title = fmt::format("{}", fmt::join(names, ", "));
  std::string body = "<h1>" + escape(title) + "</h1>\n";
  body += section("Results", results(runs) + note("Hover a number for all its digits."));
  body += section("Over seeds", group_html(groups, values));
  body += section("What the energies are worth", energies(runs));
  body += section("Where the runs differ", differences(runs));
  body += section("While they trained", training_curves(runs));
  body += section("Along the chains", chain_curves(runs));
  write_named_file(page_file, page(title, body));
  if (!tables.latex.empty()) write_named_file(tables.latex, group_latex(groups, values));
  if (!tables.csv.empty()) write_named_file(tables.csv, group_csv(groups, values));
}

}  // namespace ddls::report
