#include "report/energy.hpp"

#include <fmt/format.h>

#include "report/html.hpp"
#include "report/records.hpp"
#include "report/svg_axis.hpp"

namespace ddls::report {
namespace {

std::string number(const Json& energy, const char* path, double factor = 1) {
  const auto value = number_at(energy, path);
  return value ? short_number(*value * factor) : "–";
}

std::string nats(const Json& energy) {
  if (!number_at(energy, "nats")) return "–";
  return fmt::format("{} ({} to {})", number(energy, "nats"), number(energy, "nats_low"), number(energy, "nats_high"));
}

bool is_true(const Json& energy, const char* path) {
  const Json& value = at_path(energy, path);
  return value.is_boolean() && value.get<bool>();
}

// What a reader must know of these numbers.
std::vector<std::string> warnings(const std::string& name, const Json& energy) {
  std::vector<std::string> notes;
  if (const std::string why = text_at(energy, "nats_why"); !why.empty()) notes.push_back(name + ": nats: " + why + ".");
  if (const auto high = number_at(energy, "nats_high"); high && *high < 0)
    notes.push_back(fmt::format(
        "{}: the energy harms: p0 e^r is farther from the data than the generator. {} times it would gain {} nats.",
        name, number(energy, "best_scale.scale"), number(energy, "best_scale.nats")));
  if (is_true(energy, "few_draws"))
    notes.push_back(
        fmt::format("{}: few prior draws carry the mean of e^r ({} effective ones, {} % of it by one): log Z may be "
                    "too low, the nats too high, and the distance by weights says little.",
                    name, number(energy, "ess"), number(energy, "largest_share", 100)));
  if (is_true(energy, "reals.seen_in_training"))
    notes.push_back(name + ": training saw the reals that it was judged by: its nats are too high.");
  if (const std::string why = text_at(energy, "metrics.frechet_distance_why"); !why.empty())
    notes.push_back(name + ": Fréchet distance: " + why + ".");
  return notes;
}

}  // namespace

std::string law_note(const MethodRun& method) {
  return is_true(method.summary, "short_run") ? "short run, not p0 e^r" : std::string();
}

std::string with_law(const std::string& title, const MethodRun& method) {
  const std::string law = law_note(method);
  return law.empty() ? title : title + " (" + law + ")";
}

std::vector<EnergyRow> energy_rows(const Json& energy) {
  return {{"nats gained", nats(energy)},
          {"effective draws, %", number(energy, "ess_fraction", 100)},
          {"log Z", number(energy, "log_z")},
          {"Fréchet distance by weights", number(energy, "metrics.frechet_distance")},
          {"the same at the methods' count", number(energy, "metrics.frechet_distance_at_count")},
          {"precision", number(energy, "metrics.precision")},
          {"recall", number(energy, "metrics.recall")},
          {"coverage", number(energy, "metrics.coverage")}};
}

std::string energy_table(const RunData& run) {
  const Json& energies = at_path(run.report, "energies");
  if (!energies.is_object() || energies.empty()) return {};
  std::string heads = head("energy"), rows, notes;
  bool first = true;
  for (const auto& [name, energy] : energies.items()) {
    rows += "<tr>" + row_head(escape(name));
    for (const EnergyRow& row : energy_rows(energy)) {
      if (first) heads += head(escape(row.title));
      rows += "<td>" + escape(row.values) + "</td>";
    }
    rows += "</tr>\n";
    first = false;
    for (const std::string& text : warnings(name, energy)) notes += note(text);
    notes += note(fmt::format("{}: {} prior draws{}.", name, text_at(energy, "draws"),
                              number_at(energy, "reals.count")
                                  ? fmt::format(" and {} reals ({}) that no fit saw", text_at(energy, "reals.count"),
                                                text_at(energy, "reals.name"))
                                  : std::string()));
  }
  return "<h3>What the energy is worth</h3>\n" + table("What the energy is worth", heads, rows) +
         note(
             "Nats gained: how much nearer, in KL, the law p0 e^r is to the data than the generator (0); negative: it "
             "harms. Effective draws: of prior draws weighted with e^r. The metrics are those of the weighted draws, "
             "without any chain: what a kernel that is exact reaches. A run of a kernel with a bias of its own that is "
             "more than 5 % better than that is called a short run: it owes its samples to its steps, not to p0 e^r.") +
         notes;
}

std::string energy_lines(const RunData& run) {
  std::string text;
  const Json& energies = at_path(run.report, "energies");
  if (!energies.is_object()) return text;
  for (const auto& [name, energy] : energies.items()) {
    text +=
        fmt::format("energy {}: {} nats gained, ESS {} % of {} prior draws, log Z {}, Fréchet distance by weights {}\n",
                    name, nats(energy), number(energy, "ess_fraction", 100), text_at(energy, "draws"),
                    number(energy, "log_z"), number(energy, "metrics.frechet_distance"));
  }
  return text;
}

}  // namespace ddls::report
