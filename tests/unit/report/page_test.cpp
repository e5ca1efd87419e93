// What the page offers beyond its text: names for those who do not see it, pages, sliders, downloads, and its size.
#include <gtest/gtest.h>

#include "report/figures.hpp"
#include "report/html.hpp"
#include "report/page_pictures.hpp"
#include "report/page_parts.hpp"
#include "report/records.hpp"
#include "report/report.hpp"
#include "report/svg_plot.hpp"
#include "tensor/image_io.hpp"
#include "unit/report/fake_run.hpp"
#include "unit/report/markup.hpp"

namespace ddls::report::page_test {
namespace {

using test::FakeRun;
using test::markup_fault;

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

std::string page_of(const FakeRun& run) {
  write_report(run.folder);
  return read_file(run.folder / "report.html");
}

// The JSON of the figure's numbers.
Json data_of(const std::string& html) {
  const std::string start = "<script type=\"application/json\">";
  const size_t begin = html.find(start) + start.size();
  return Json::parse(html.substr(begin, html.find("</script>", begin) - begin));
}

TEST(Page, TheScriptLeavesThePageWellFormed) {
  EXPECT_EQ(page_script().find_first_of("<&"), std::string_view::npos);
  EXPECT_EQ(markup_fault(page("a", section("One & two", "<p>b</p>"))), "");
  EXPECT_EQ(json_in_page(R"({"a":"</script>&"})"), R"({"a":"\u003c/script\u003e\u0026"})");
}

TEST(Page, SectionsAreLinked) {
  const std::string html = page("a", section("One & two", "<p>b</p>") + section("", ""));
  EXPECT_NE(html.find("<li><a href=\"#one-two\">One &amp; two</a></li>"), std::string::npos);
  EXPECT_NE(html.find("<section id=\"one-two\">"), std::string::npos);
  EXPECT_EQ(html.find("data-reload"), html.find("data-reload=\"never\""));
  EXPECT_NE(page("a", "", 3).find("<html lang=\"en\" data-reload=\"3\">"), std::string::npos);
}

TEST(Page, TablesAndFiguresHaveNames) {
  for (const bool points : {true, false}) {
    const std::string html = page_of(FakeRun(points));
    EXPECT_EQ(count_of(html, "<table"), count_of(html, "<caption>"));
    EXPECT_EQ(count_of(html, "<table"), count_of(html, "tabindex=\"0\""));
    EXPECT_EQ(html.find("<th>"), std::string::npos) << "a head without its scope";
    EXPECT_EQ(count_of(html, "<svg "), count_of(html, "<desc>"));
    EXPECT_EQ(count_of(html, "<svg "), count_of(html, "role=\"img\" aria-label="));
    EXPECT_EQ(count_of(html, "<img "), count_of(html, " alt=\""));
    EXPECT_EQ(html.find(" alt=\"\""), std::string::npos);
    EXPECT_EQ(count_of(html, "<figure"), count_of(html, " data-name=\""));
  }
}

// Metrics of copies have a heading of their own, and lines for what unseen reals have.
TEST(Page, CopiesOfTheTrainingSetAlongTheChains) {
  const FakeRun run(false);
  EXPECT_EQ(page_of(run).find("Copies of the training set"), std::string::npos);
  Json report = Json::parse(read_file(run.folder / "report.json"));
  Json& ddls = report["methods"]["ddls"];
  ddls["metrics"]["authenticity_reals"] = 0.625;
  ddls["curve"][0].update({{"authenticity", 0.75}, {"ct", {{"value", 2.5}}}});
  ddls["curve"][1].update({{"authenticity", 0.5}, {"ct", {{"value", -4.5}}}});
  write_file(run.folder / "report.json", report.dump());
  const std::string html = page_of(run);
  EXPECT_EQ(markup_fault(html), "");
  const size_t quality = html.find("<h3>Quality of the samples</h3>"),
               fd = html.find("<title>Fréchet distance</title>"),
               copies = html.find("<h3>Copies of the training set</h3>");
  ASSERT_NE(copies, std::string::npos);
  EXPECT_LT(quality, fd);
  EXPECT_LT(fd, copies);
  const std::string from = html.substr(copies, html.find("<h3>", copies + 4) - copies);
  EXPECT_EQ(count_of(from, "<svg "), 2U);
  EXPECT_NE(from.find("75 at Langevin step 0, 50 at 30. unseen reals: 62.5."), std::string::npos) << from;
  EXPECT_NE(from.find("2.5 at Langevin step 0, -4.5 at 30. unseen reals: 0."), std::string::npos);
}

TEST(Plot, ItsNumbersAreThatOfTheFigure) {
  const std::string html = figure_of(
      Plot{"a < b", "step", "log scale", {{"one", {1}, {0, 1}, {1.25, 100}}, {"two", {2}, {0, 1}, {3, 4}}}, false, {}});
  EXPECT_EQ(markup_fault(html), "");
  const Json data = data_of(html);
  EXPECT_EQ(data["x"], "step");
  EXPECT_EQ(data["y"], "a < b");
  EXPECT_EQ(data["series"][0]["label"], "one");
  EXPECT_EQ(data["series"][0]["x"], (Json{0, 1}));
  EXPECT_EQ(data["series"][0]["y"], (Json{1.25, 100}));
  EXPECT_FALSE(data["series"][1].contains("x")) << "that of the series before";
  EXPECT_NE(html.find("<desc>log scale. one: 1.25 at step 0, 100 at 1. two: 3 at step 0, 4 at 1.</desc>"),
            std::string::npos)
      << html;
}

TEST(Plot, ManyLinesAreNamedBelowTheAxisAndFewBesideIt) {
  Plot plot{"many", "step", "", {}, false, {}};
  for (size_t i = 0; i < 14; ++i)
    plot.series.push_back({"method " + std::to_string(i), style_of_number(i), {0, 1}, {0, static_cast<double>(i)}});
  EXPECT_EQ(count_of(svg_plot(plot), "class=\"n\""), 14U);
  EXPECT_EQ(count_of(svg_plot(plot), "class=\"l\""), 0U);
  plot.series.resize(5);
  EXPECT_EQ(count_of(svg_plot(plot), "class=\"n\""), 0U);
  EXPECT_EQ(count_of(svg_plot(plot), "class=\"l\""), 5U);
}

TEST(PagePictures, SheetsHoldAllImagesOrWhatThereIsRoomFor) {
  const at::Tensor images = at::randint(0, 256, {250, 1, 8, 8}).to(at::kByte);
  const std::vector<PageOfFigure> all = sheets(images, 10'000'000);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[2].label, "images 201 to 250 of 250");
  EXPECT_EQ(sheets(images, 2 * all[0].png.size() + 10).size(), 2U);
  const std::vector<PageOfFigure> little = sheets(images, all[0].png.size() / 2);
  EXPECT_EQ(little.size(), 1U);
  EXPECT_LE(little[0].png.size(), all[0].png.size() / 2);
}

TEST(PagePictures, LargeImagesAreMadeSmallerByAWholeNumber) {
  const at::Tensor images = at::zeros({2, 3, 3, 130, 100}, at::kByte) + 40;
  const at::Tensor small = page_size(images);
  EXPECT_EQ(small.sizes(), (std::vector<int64_t>{2, 3, 3, 44, 34}));
  EXPECT_TRUE(small.eq(40).all().item<bool>());
  EXPECT_TRUE(page_size(small).is_same(small));
}

TEST(PagePictures, PointsCanBeHadBack) {
  const at::Tensor points = at::tensor({0.5, 0.25, 9.0, 0.0, -0.75, 0.125}, at::kFloat).view({3, 2});
  const Json data = Json::parse(points_data({{"a", points, {}}}, {-1, -1, 2}));
  EXPECT_EQ(data["points"][0]["label"], "a");
  // 0.75 and 0.625 of the side, then 0.125 and 0.5625, low byte first; the point at 9 is not in the window.
  const std::string bytes{'\0', '\xC0', '\0', '\xA0', '\0', '\x20', '\0', '\x90'};
  EXPECT_EQ(data["points"][0]["cells"], base64(bytes));
}

TEST(Page, SnapshotsAndTrajectoriesMove) {
  for (const bool points : {true, false}) {
    const FakeRun run(points);
    std::string html = page_of(run);
    EXPECT_EQ(count_of(html, "data-turn=\"slider\""), 2U);
    for (const char* step : {"0", "10", "30"})
      EXPECT_EQ(count_of(html, std::string("data-label=\"step ") + step + "\""), 2U) << step;
    for (const char* method : {"ddls", "mala"}) fs::remove_all(run.folder / "samples" / method / "snapshots");
    html = page_of(run);
    EXPECT_EQ(count_of(html, "data-turn=\"slider\""), 2U);
    EXPECT_EQ(count_of(html, "data-label=\"step 20\""), 2U);
    EXPECT_EQ(markup_fault(html), "");
  }
}

// Noise in colour, which PNG cannot make smaller, of more methods than any run has.
TEST(Page, StaysBelowFiveMegabytes) {
  const FakeRun run(false);
  Json report = Json::parse(read_file(run.folder / "report.json"));
  const fs::path samples = run.folder / "samples";
  const at::Tensor noise = at::randint(0, 256, {400, 32, 32, 3}).to(at::kByte);
  for (int i = 0; i < 12; ++i) {
    const std::string name = fmt::format("method{}", i);
    report["methods"][name] = report["methods"]["ddls"];
    fs::copy(samples / "ddls", samples / name, fs::copy_options::recursive);
  }
  for (const auto& [name, method] : report["methods"].items()) {
    tensor::write_npz(samples / name / "samples.npz", {{"arr_0", noise}});
    for (const char* step : {"000000", "000010", "000030"}) {
      if (name != "generator")
        tensor::write_npz(samples / name / "snapshots" / fmt::format("step-{}.npz", step), {{"arr_0", noise}});
    }
  }
  tensor::write_npz(samples / "real.npz", {{"arr_0", noise}});
  write_file(run.folder / "report.json", report.dump());
  const std::string html = page_of(run);
  EXPECT_LT(html.size(), 5'000'000U);
  EXPECT_EQ(count_of(html, "-samples\""), 15U) << "a grid of every method";
}

}  // namespace
}  // namespace ddls::report::page_test
