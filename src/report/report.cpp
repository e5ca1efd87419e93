#include "report/report.hpp"

#include <fmt/format.h>

#include "base/files.hpp"
#include "base/json_text.hpp"
#include "report/curves.hpp"
#include "report/energy.hpp"
#include "report/figures.hpp"
#include "report/html.hpp"
#include "report/mixing.hpp"
#include "report/records.hpp"
#include "report/run_data.hpp"
#include "report/summary.hpp"
#include "report/tables.hpp"

namespace ddls::report {
namespace {

std::string fact(const std::string& name, const std::string& value) {
  return value.empty() ? value : fmt::format("<li>{} <b>{}</b></li>\n", escape(name), escape(value));
}

std::string first_text(const Json& first, const Json& second, const char* key) {
  const std::string text = text_at(first, key);
  return text.empty() ? text_at(second, key) : text;
}

std::string duration(double seconds) {
  if (seconds < 100) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  return whole < 3600 ? fmt::format("{} min {} s", whole / 60, whole % 60)
                      : fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

std::string what_was_run(const RunData& run) {
  std::string facts = fact("seed", text_at(run.report, "seed")) + fact("ranks", text_at(run.report, "ranks")) +
                      fact("device", text_at(run.report, "device")) +
                      fact("version", first_text(run.report, run.provenance, "version")) +
                      fact("commit", first_text(run.report, run.provenance, "git_commit"));
  const Json& reference = at_path(run.report, "reference");
  facts += fact("reference", text_at(reference, "name"));
  facts += fact("reference samples", text_at(reference, "count"));
  facts += fact("features", text_at(run.report, "extractor.name"));
  const Json& seconds = at_path(run.report, "seconds");
  if (seconds.is_object()) {
    for (const auto& [stage, value] : seconds.items()) {
      if (value.is_number()) facts += fact(stage, duration(value.get<double>()));
    }
  }
  return "<ul class=\"facts\">\n" + facts + "</ul>\n";
}

std::string results(const RunData& run) {
  std::string body = metrics_table(run);
  if (body.empty()) return note("No metrics: the run has not evaluated any method.");
  body += note("Arrows point in the better direction; bold is the best method. Hover a number for all its digits.");
  const std::string real = text_at(run.report, "reference.metrics_of");
  if (!real.empty()) body += note("The row of real data: " + real + ", measured like a method's samples.");
  const std::string sampler = sampler_table(run);
  if (!sampler.empty()) body += "<h3>How the samples were made</h3>\n" + sampler;
  return body + paper_table(run);
}

std::string mixing(const RunData& run) {
  const std::string table = mixing_table(run);
  return table.empty() ? table : table + mixing_legend() + mixing_notes(run);
}

std::string chains(const RunData& run, const Pictures& pictures) {
  const std::string moving = wall_of(pictures.moving);
  const std::string quality = quality_curves(run), curves = chain_curves(run);
  std::string body = moving.empty() ? moving : "<h3>Step by step</h3>\n" + moving;
  const std::string copies = copy_curves(run);
  if (quality.empty() && copies.empty() && curves.empty())
    return body + note("No curves: the run has no records of chains (samples/METHOD/chains.jsonl).");
  if (!quality.empty()) body += "<h3>Quality of the samples</h3>\n" + quality;
  if (!copies.empty())
    body += "<h3>Copies of the training set</h3>\n" + copies +
            note(
                "Chains that climb towards training samples lose authenticity, and their C_T and FLD gap fall far "
                "below 0.");
  if (!curves.empty()) body += "<h3>State of the chains, mean over all of them</h3>\n" + curves;
  return body;
}

std::string training(const RunData& run) {
  const std::string curves = training_curves(run);
  if (curves.empty()) return note("No curves: the run has no records of training (metrics.jsonl).");
  return curves + note("Long curves are averaged to 500 points.");
}

std::string provenance(const RunData& run) {
  std::string body;
  body += run.config.empty()
              ? note("The run directory has no config.yaml.")
              : folded("Configuration, every default filled in", "<pre>" + escape(run.config) + "</pre>\n");
  const std::string table = key_value_table(run.provenance);
  body += table.empty() ? note("The run directory has no run.json.") : folded("Provenance", table);
  return body + folded("All numbers of report.json", "<pre>" + escape(json_text(run.report, 2)) + "</pre>\n");
}

}  // namespace

void write_pictures(const fs::path& run_folder, const std::vector<std::string>& methods) {
  draw_figures(read_samples_of(run_folder, methods));
}

void write_report(const fs::path& run_folder) {
  const RunData run = read_run(run_folder);
  const Pictures pictures = draw_figures(run);
  std::string name = text_at(run.report, "name");
  if (name.empty()) name = fs::absolute(run_folder).lexically_normal().filename().string();
  const std::string main_numbers = headline(run);

  std::string body = "<h1>" + escape(name) + "</h1>\n" + what_was_run(run);
  if (!main_numbers.empty()) body += "<p class=\"lead\">" + escape(main_numbers) + "</p>\n";
  body += section("Results", results(run));
  body += section("Energy", energy_table(run) + calibration_table(run));
  body += section("Mixing", mixing(run));
  std::string samples = wall_of(pictures.samples);
  for (const std::string& missing : pictures.missing) samples += note(missing);
  body += section("Samples", samples);
  body += section("Nearest training images", wall_of(pictures.neighbours));
  body += section("Mass per mode", mode_bars(run));
  body += section("Trajectories", pictures.paths.empty() ? note("No trajectories: no method keeps paths of chains.")
                                                         : wall_of(pictures.paths));
  body += section("Along the chains", chains(run, pictures));
  body += section("Training", training(run));
  body += section("Ranks", ranks_table(run));
  body += section("Configuration and provenance", provenance(run));
  write_file(run_folder / "report.html", page(name, body));
}

}  // namespace ddls::report
