// Mean, spread and paired tests over the runs of a configuration, against tables and by hand.
#include "report/run_groups.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "report/group_tables.hpp"

namespace ddls::report::run_groups_test {
namespace {

RunData run_of(int seed, double step, double generator, double ddls) {
  RunData run;
  run.config = fmt::format(
      "name: run{0}\nseed: {0}\nmodel: {{latent_dim: 8, prior: normal}}\nsample: {{count: 10, ddls: {{step_size: "
      "{1}}}}}\n"
      "output: {{directory: out{0}}}\n",
      seed, step);
  run.report = {{"name", "study"}};
  for (const auto& [name, value] : {std::pair{"generator", generator}, std::pair{"ddls", ddls}}) {
    run.methods.emplace_back();
    run.methods.back().name = name;
    run.methods.back().summary = {{"metrics", {{"frechet_distance", value}, {"kid", {{"unbiased", value / 1000}}}}}};
  }
  return run;
}

TEST(StudentP, is_that_of_tables) {
  EXPECT_NEAR(student_p(1, 1), 0.5, 1e-12);
  EXPECT_NEAR(student_p(12.7062, 1), 0.05, 1e-6);
  EXPECT_NEAR(student_p(4.30265, 2), 0.05, 1e-6);
  EXPECT_NEAR(student_p(-3.18245, 3), 0.05, 1e-6);
  EXPECT_NEAR(student_p(2.77645, 4), 0.05, 1e-6);
  EXPECT_NEAR(student_p(2.57058, 5), 0.05, 1e-6);
  EXPECT_NEAR(student_p(3.24984, 9), 0.01, 1e-6);
  EXPECT_NEAR(student_p(2.08596, 20), 0.05, 1e-6);
  EXPECT_EQ(student_p(0, 7), 1);
}

TEST(PairedTest, by_hand) {
  const PairedTest test = paired_test({1, 2, 3}, {2, 4, 6});  // differences 1, 2, 3: t = 2 / (1 / sqrt 3)
  EXPECT_EQ(test.pairs, 3);
  EXPECT_DOUBLE_EQ(test.difference, 2);
  const double t = 2 * std::sqrt(3.0);
  EXPECT_NEAR(*test.p, 1 - t / std::sqrt(2 + t * t), 1e-12);  // two degrees of freedom
  EXPECT_FALSE(paired_test({1}, {2}).p);
  EXPECT_FALSE(paired_test({1, 2}, {2, 3}).p) << "no spread";
}

class Groups : public testing::Test {
 protected:
  const std::vector<RunData> data{run_of(1, 0.1, 10, 8), run_of(2, 0.1, 12, 9),   run_of(3, 0.1, 11, 8.5),
                                  run_of(1, 0.2, 10, 7), run_of(2, 0.2, 12, 8.5), run_of(4, 0.2, 13, 9)};
  std::vector<RunGroup> groups() const {
    std::vector<const RunData*> runs;
    for (const RunData& run : data) runs.push_back(&run);
    return groups_of(runs);
  }
};

TEST_F(Groups, runs_that_differ_in_seed_and_folder_belong_together) {
  const std::vector<RunGroup> found = groups();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].runs.size(), 3U);
  EXPECT_EQ(found[0].name, "study");
  EXPECT_EQ(found[1].name, "study (sample.ddls.step_size=0.2)");
}

TEST_F(Groups, values_and_tests) {
  const std::vector<RunGroup> found = groups();
  const std::vector<GroupValue> values = group_values(found);
  const auto value = [&](size_t group, const std::string& method) -> const GroupValue& {
    return *std::ranges::find_if(values, [&](const GroupValue& v) {
      return v.group == group && v.method == method && v.metric->path == "frechet_distance";
    });
  };
  EXPECT_DOUBLE_EQ(value(0, "ddls").value.mean, 8.5);
  EXPECT_DOUBLE_EQ(*value(0, "ddls").value.sd, 0.5);
  EXPECT_FALSE(value(0, "generator").generator);
  EXPECT_EQ(value(0, "ddls").generator->pairs, 3);
  EXPECT_DOUBLE_EQ(value(0, "ddls").generator->difference, -2.5);
  EXPECT_FALSE(value(0, "ddls").first);
  ASSERT_TRUE(value(1, "ddls").first);
  EXPECT_EQ(value(1, "ddls").first->pairs, 2) << "seed 4 has no partner";
  EXPECT_DOUBLE_EQ(value(1, "ddls").first->difference, -0.75);
}

TEST_F(Groups, tables) {
  const std::vector<RunGroup> found = groups();
  const std::vector<GroupValue> values = group_values(found);
  const std::string latex = group_latex(found, values), csv = group_csv(found, values),
                    html = group_html(found, values);
  EXPECT_NE(latex.find("study (sample.ddls.step\\_size=0.2) (n = 3) & ddls"), latex.npos) << latex;
  EXPECT_NE(latex.find("\\pm"), latex.npos);
  EXPECT_NE(csv.find("\r\nstudy,ddls,frechet_distance,3,8.5,0.5,3,-2.5,"), csv.npos) << csv;
  EXPECT_NE(csv.find("study,generator,kid.unbiased,3,0.011,"), csv.npos) << "in the units of report.json: " << csv;
  EXPECT_NE(html.find("p = "), html.npos) << html;
  EXPECT_EQ(group_html({found[0]}, {}).find("against study"), std::string::npos);
  const RunGroup alone{"one", {data.data()}, {""}};
  EXPECT_EQ(group_html({alone}, group_values({alone})), "");
}

}  // namespace
}  // namespace ddls::report::run_groups_test
