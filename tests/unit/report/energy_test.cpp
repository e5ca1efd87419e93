// What a page says of an energy, from report.json alone.
#include "report/energy.hpp"

#include <gtest/gtest.h>

#include "base/files.hpp"
#include "base/json.hpp"
#include "base/json_fields.hpp"
#include "report/comparison.hpp"
#include "report/report.hpp"
#include "report/summary.hpp"
#include "unit/report/fake_run.hpp"

namespace ddls::report::energy_test {
namespace {

Json judged(double nats) {
  return {{"nats", nats},
          {"nats_low", nats - 0.125},
          {"nats_high", nats + 0.125},
          {"best_scale", {{"scale", 0.0625}, {"nats", 1.375}}},
          {"reals", {{"name", "test"}, {"count", 77}, {"seen_in_training", false}}},
          {"draws", 2400},
          {"log_z", 0.4375},
          {"ess", 345.6},
          {"ess_fraction", 0.144},
          {"largest_share", 0.01},
          {"few_draws", false},
          {"metrics", {{"frechet_distance", 6.0625}, {"frechet_distance_at_count", 5.9375}, {"precision", 0.8125}}}};
}

struct EnergyPage : ::testing::Test {
  test::FakeRun run{false};

  void judge(const Json& energy, bool short_run) {
    Json report = read_json_object(run.folder / "report.json");
    report["energies"]["tilt"] = energy;
    if (short_run) report["methods"]["ddls"]["short_run"] = true;
    write_file(run.folder / "report.json", report.dump());
  }
  std::string page() {
    write_report(run.folder);
    return read_file(run.folder / "report.html");
  }
};

TEST_F(EnergyPage, HoldsTheNumbersOfAnEnergy) {
  judge(judged(1.75), false);
  const std::string text = page();
  for (const char* part :
       {"What the energy is worth",
        "<th scope=\"row\">tilt</th><td>1.75 (1.625 to "
        "1.875)</td><td>14.4</td><td>0.4375</td><td>6.062</td><td>5.938</td><td>0.8125</td><td>–</td>",
        "tilt: 2400 prior draws and 77 reals (test) that no fit saw."})
    EXPECT_NE(text.find(part), text.npos) << part;
  EXPECT_EQ(text.find("the energy harms"), text.npos);
  EXPECT_EQ(text.find("short run, not p0 e^r"), text.npos);
  EXPECT_NE(
      summary_text(run.folder).find("energy tilt: 1.75 (1.625 to 1.875) nats gained, ESS 14.4 % of 2400 prior draws"),
      std::string::npos);
}

TEST_F(EnergyPage, SaysWhatHarmsAndWhatIsAShortRun) {
  judge(judged(-27.25), true);
  const std::string text = page();
  EXPECT_NE(text.find("0.0625 times it would gain 1.375 nats"), text.npos);
  EXPECT_NE(text.find("DDLS<br/><small>short run, not p0 e^r</small>"), text.npos);
  EXPECT_EQ(text.find("MALA<br/>"), text.npos);
  EXPECT_NE(summary_text(run.folder).find("DDLS (short run, not p0 e^r)"), std::string::npos);
}

TEST_F(EnergyPage, ARunWithoutAnEnergyHasNoTable) {
  EXPECT_EQ(page().find("What the energy is worth"), std::string::npos);
}

TEST_F(EnergyPage, AComparisonHasARowPerNumber) {
  const fs::path other = run.folder / "other";
  make_folder(other);
  for (const char* part : {"report.json", "config.yaml", "samples"})
    fs::copy(run.folder / part, other / part, fs::copy_options::recursive);
  judge(judged(1.75), true);
  const fs::path file = run.folder / "compared.html";
  write_comparison({run.folder, other}, file);
  const std::string text = read_file(file);
  EXPECT_NE(text.find("<th scope=\"row\">nats gained, tilt</th><td>1.75 (1.625 to 1.875)</td><td>–</td>"), text.npos);
  EXPECT_NE(text.find("<br/><small>short run, not p0 e^r</small></td>"), text.npos);
}

}  // namespace
}  // namespace ddls::report::energy_test
