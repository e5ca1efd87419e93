#include "report/report.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "report/comparison.hpp"
#include "report/metrics.hpp"
#include "report/records.hpp"
#include "tensor/image_io.hpp"
#include "unit/report/fake_run.hpp"
#include "unit/report/markup.hpp"

namespace ddls::report::report_test {
namespace {

using test::FakeRun;
using test::markup_fault;

std::string page_of(const FakeRun& run) {
  write_report(run.folder);
  return read_file(run.folder / "report.html");
}

void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "missing: " << part;
}

void expect_figure(const fs::path& file, int64_t least_width, int64_t least_height) {
  const at::Tensor image = tensor::read_image(file, 3);
  EXPECT_GE(image.size(1), least_height) << file;
  EXPECT_GE(image.size(2), least_width) << file;
  EXPECT_GT(image.to(at::kFloat).std().item<float>(), 1.0f) << file << " is blank";
}

Exit exit_of(const fs::path& folder, std::string& message) {
  try {
    write_report(folder);
  } catch (const Error& error) {
    message = error.what();
    return error.code();
  }
  return Exit::success;
}

TEST(Report, PointsPageIsWholeAndSelfContained) {
  const FakeRun run(true);
  const std::string page = page_of(run);
  EXPECT_EQ(markup_fault(page), "");
  for (const char* outside : {"http:", "https:", "<script src", "url(", "@import", "fetch("}) {
    EXPECT_EQ(page.find(outside), std::string::npos) << outside;
  }
  for (const char* part : {"98.12",
                           "71.25 %",
                           "0.0512",
                           "title=\"0.98125\"",
                           "title=\"0.5735\"",
                           "12.5 s",
                           "2 min 10 s",
                           "9.8.7",
                           "abc123",
                           "70 ± 9",
                           "Calibrated by platt, alpha 1.625, beta -0.5 on 61 held-out reals",
                           "title=\"0.4375\"",
                           "n/a: points have no features",
                           "&lt;25&gt;",
                           "step size",
                           "uniform, 4 %",
                           "title=\"0.0625\"",
                           "title=\"1.375\"",
                           "Mixing and what it costs",
                           "title=\"2.25\">(2.25)",
                           "title=\"417.5\"",
                           "title=\"0.03125\"",
                           "ratios alone"}) {
    expect_contains(page, part);
  }
}

TEST(Report, ImagesPageShowsTheNumbersOfReportJson) {
  const FakeRun run(false);
  const std::string page = page_of(run);
  EXPECT_EQ(markup_fault(page), "");
  for (const char* part : {"17.25", "9.877", "title=\"9.8766\"", "8.12 ± 0.25", "fewer than 1000 images", "real data",
                           "<th scope=\"col\">exact<small>no bias of its own</small></th>", "<td>yes</td>"}) {
    expect_contains(page, part);
  }
  EXPECT_EQ(page.find("Mass per mode"), std::string::npos);
  EXPECT_EQ(page.find("Beside the paper"), std::string::npos);
}

TEST(Report, SaysWhetherTheChainsHaveMixed) {
  const FakeRun run(true);
  const auto said = [&](double rhat, double ess) {
    Json report = Json::parse(read_file(run.folder / "report.json"));
    Json& method = report["methods"]["ddls"];
    method["rhat"] = rhat;
    method["ess_per_chain"] = ess;
    method["diagnosed"] = {{"chains", 100},
                           {"from_step", 26},
                           {"scalars",
                            {{"energy", {{"rhat", 1.001}, {"autocorrelation_steps", 5.25}}},
                             {"projection_1", {{"rhat", rhat}, {"autocorrelation_steps", 9}}}}}};
    write_file(run.folder / "report.json", report.dump());
    return page_of(run);
  };
  expect_contains(said(2.5, 3), "the chains have not mixed");
  expect_contains(said(2.5, 3), "The slowest coordinate is projection_1; the energy has R-hat 1.001");
  expect_contains(said(1.05, 30), "the chains have nearly mixed");
  expect_contains(said(1.005, 3), "too few independent draws");
  expect_contains(said(1.005, 30), "DDLS: the chains have mixed (R-hat 1.005; 30.0 effective draws in each of 100");
  EXPECT_EQ(markup_fault(said(1.005, 30)), "");
}

TEST(Report, DrawsTheFiguresOfPoints) {
  const FakeRun run(true);
  write_report(run.folder);
  const fs::path samples = run.folder / "samples";
  for (const char* method : {"generator", "ddls", "mala"}) expect_figure(samples / method / "grid.png", 400, 400);
  expect_figure(samples / "ddls" / "trajectory.png", 400, 400);
  expect_figure(samples / "comparison.png", 1200, 800);  // four panels in two rows
  expect_figure(samples / "sweep.png", 800, 400);
  EXPECT_FALSE(fs::exists(samples / "generator" / "trajectory.png"));
}

TEST(Report, DrawsTheFiguresOfImages) {
  const FakeRun run(false);
  write_report(run.folder);
  const fs::path samples = run.folder / "samples";
  const at::Tensor grid = tensor::read_image(samples / "ddls" / "grid.png");
  EXPECT_EQ(grid.size(1), grid.size(2));  // 10 x 10
  EXPECT_GE(grid.size(1), 10 * 56);       // 8 pixels magnified sevenfold
  expect_figure(samples / "ddls" / "trajectory.png", 4 * 48, 3 * 48);
  expect_figure(samples / "pairs.png", 14 * 48, 9 * 48);
  expect_figure(samples / "ddls" / "neighbours.png", 11 * 48, 2 * 48);
  EXPECT_FALSE(fs::exists(samples / "comparison.png"));
}

TEST(Report, EscapesTheNameOfTheRun) {
  const FakeRun run(true, "<script>alert('x')</script> & co");
  const std::string page = page_of(run);
  EXPECT_EQ(page.find("<script>alert"), std::string::npos);
  expect_contains(page, "<h1>&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; co</h1>");
  EXPECT_EQ(markup_fault(page), "");
}

TEST(Report, NeedsReportJsonAlone) {
  const FakeRun run(true);
  for (const char* part : {"config.yaml", "run.json", "metrics.jsonl", "samples"}) fs::remove_all(run.folder / part);
  const std::string page = page_of(run);
  EXPECT_EQ(markup_fault(page), "");
  expect_contains(page, "98.12");
  for (const char* why :
       {"no config.yaml", "no run.json", "samples/ddls/samples.npz", "No trajectories", "metrics.jsonl"}) {
    expect_contains(page, why);
  }
}

TEST(Report, NamesMissingAndDamagedFiles) {
  const FakeRun run(true);
  std::string message;
  write_file(run.folder / "samples" / "ddls" / "chains.jsonl", "{\"step\": 1}\nnonsense\n");
  EXPECT_EQ(exit_of(run.folder, message), Exit::data);
  expect_contains(message, "chains.jsonl' is damaged: line 2");
  write_file(run.folder / "report.json", "{\"methods\": {");
  EXPECT_EQ(exit_of(run.folder, message), Exit::data);
  expect_contains(message, "report.json");
  write_file(run.folder / "report.json", "{\"methods\": 3}");
  EXPECT_EQ(exit_of(run.folder, message), Exit::data);
  fs::remove(run.folder / "report.json");
  EXPECT_EQ(exit_of(run.folder, message), Exit::missing);
  expect_contains(message, "report.json");
}

TEST(Report, IsAPureFunctionOfTheRun) {
  const FakeRun run(true);
  const std::string first = page_of(run);
  EXPECT_EQ(page_of(run), first);
}

TEST(Summary, AlignsMethodsAndMainMetrics) {
  const FakeRun run(false);
  const std::string text = summary_text(run.folder);
  expect_contains(text, "method      Fréchet distance   Inception Score   time, s\n");
  expect_contains(text, "generator              17.25               n/a\n");
  expect_contains(text, "DDLS                   9.877       8.12 ± 0.25       1.5\n");
  expect_contains(text, "report: " + (run.folder / "report.html").string() + "\n");
}

// A report.json in which every metric of the registry has a value, each another one.
Json with_every_metric(const FakeRun& run) {
  Json report = Json::parse(read_file(run.folder / "report.json"));
  Json metrics = Json::object();
  double value = 0.101;
  for (const metrics::MetricColumn& column : metric_columns()) {
    std::string path = "/" + column.path;
    std::replace(path.begin(), path.end(), '.', '/');
    metrics[Json::json_pointer(path)] = column.decimals == 0 ? std::round(value * 1000) : value;
    value += 0.001;
  }
  for (auto& [name, method] : report["methods"].items()) method["metrics"] = metrics;
  report["methods"]["ddls"]["curve"] = {{{"step", 0}}, {{"step", 30}}};
  for (Json& point : report["methods"]["ddls"]["curve"]) point.update(metrics);
  return report;
}

TEST(Report, WhatIsComputedIsShownOnThePageInTheTerminalAndInComparisons) {
  const FakeRun run(true);
  const Json report = with_every_metric(run);
  write_file(run.folder / "report.json", report.dump());
  const std::string page = page_of(run), terminal = summary_text(run.folder);
  make_folder(run.folder / "other");
  for (const char* file : {"report.json", "config.yaml"})
    write_file(run.folder / "other" / file, read_file(run.folder / file));
  write_comparison({run.folder, run.folder / "other"}, run.folder / "both.html");
  const std::string comparison = read_file(run.folder / "both.html");
  const std::string curves = page.substr(page.find("Quality of the samples"));
  for (const metrics::MetricColumn& column : metric_columns()) {
    const MetricText text = metric_text(column, report["methods"]["ddls"]["metrics"]);
    for (const std::string* place : {&page, &terminal, &comparison}) {
      expect_contains(*place, column.title);
      expect_contains(*place, text.text);
    }
    expect_contains(curves, column.title);
  }
  size_t widest = 0;
  for (size_t at = 0; at < terminal.size();) {
    const size_t end = terminal.find('\n', at);
    widest = std::max(widest, end - at);
    at = end + 1;
  }
  EXPECT_LT(widest, 240u);
}

// A second run of the same kind, beside the first, with its own option and metric.
fs::path beside(const FakeRun& run, const std::string& name, const std::string& report_from, const std::string& to) {
  const fs::path other = run.folder / name;
  make_folder(other);
  std::string report = read_file(run.folder / "report.json");
  report.replace(report.rfind(report_from), report_from.size(), to);
  write_file(other / "report.json", report);
  write_file(other / "config.yaml", "data: {kind: idx}\nseed: 77\n");
  write_file(other / "metrics.jsonl",
             "{\"phase\": \"gan_metrics\", \"step\": 1, \"frechet_distance\": 4, \"inception_score\": 2}\n"
             "{\"phase\": \"gan_metrics\", \"step\": 2, \"frechet_distance\": 3, \"inception_score\": 5}\n");
  return other;
}

TEST(Comparison, ShowsEveryRunAndWhereTheyDiffer) {
  const FakeRun run(false);
  const fs::path other = beside(run, "other", "9.8766", "5.4321");
  const fs::path page_file = run.folder / "comparison.html";
  write_comparison({run.folder, other}, page_file);
  const std::string page = read_file(page_file);
  EXPECT_EQ(markup_fault(page), "");
  for (const char* part :
       {"title=\"9.8766\"", "title=\"5.4321\"", ">other<", "<th scope=\"row\">seed</th><td>–</td><td>77</td>",
        "training step", "Langevin step", "Inception Score"})
    expect_contains(page, part);
  EXPECT_EQ(page.find("<th scope=\"row\">data.kind</th>"), std::string::npos) << "both have it";
}

TEST(Comparison, RefusesMetricsThatDoNotCompare) {
  const FakeRun run(false);
  const fs::path other = beside(run, "other", R"("test", "count": 120)", R"("test", "count": 121)");
  try {
    write_comparison({run.folder, other}, run.folder / "comparison.html");
    FAIL() << "compared";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Exit::data);
    expect_contains(error.what(), "reference.count is '120' in the one and '121' in the other");
  }
}

}  // namespace
}  // namespace ddls::report::report_test
