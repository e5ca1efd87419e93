#pragma once
// What every page holds besides its body.
#include <string>
#include <string_view>

namespace ddls::report {

std::string page_style();
// Buttons that save figures (PNG) and their numbers (CSV), pages and sliders, the place of a page that loads itself
// anew. It holds no '<' and no '&', so that the page stays well-formed XML.
std::string_view page_script();

}  // namespace ddls::report
