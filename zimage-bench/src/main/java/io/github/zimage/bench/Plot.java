package io.github.zimage.bench;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Dimension;
import java.awt.Font;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import org.apache.batik.svggen.SVGGeneratorContext;
import org.apache.batik.svggen.SVGGraphics2D;
import org.apache.batik.svggen.SVGIDGenerator;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.XYSeries.XYSeriesRenderStyle;
import org.knowm.xchart.style.Styler.LegendLayout;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;
import org.w3c.dom.Document;
import org.w3c.dom.Element;

/** A chart of lines and points that becomes SVG. */
final class Plot {
    private static final int WIDTH = 720;
    private static final int HEIGHT = 420;
    private static final String FONT = Font.SANS_SERIF;
    private static final Color GRID = new Color(0xe4e7ec);
    private static final Color TEXT = new Color(0x344054);
    private static final Color AUXILIARY = new Color(0x98a2b3);

    /** Colours that are told apart by all, after Okabe and Ito. */
    private static final Color[] COLOURS = {
        new Color(0x0072b2),
        new Color(0xd55e00),
        new Color(0x009e73),
        new Color(0xcc79a7),
        new Color(0x56b4e9),
        new Color(0xe69f00),
        new Color(0x5c5c5c)
    };

    private final XYChart chart;

    Plot(String xTitle, String yTitle) {
        chart = new XYChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .xAxisTitle(xTitle)
                .yAxisTitle(yTitle)
                .build();
        chart.getStyler()
                .setChartTitleVisible(false)
                .setChartBackgroundColor(Color.WHITE)
                .setPlotBackgroundColor(Color.WHITE)
                .setLegendPosition(LegendPosition.OutsideS)
                .setLegendLayout(LegendLayout.Horizontal)
                .setLegendBorderColor(Color.WHITE)
                .setLegendBackgroundColor(Color.WHITE)
                .setLegendFont(new Font(FONT, Font.PLAIN, 12))
                .setSeriesColors(COLOURS)
                .setDecimalPattern("#,##0.####")
                .setChartFontColor(TEXT);
        chart.getStyler()
                .setPlotGridLinesColor(GRID)
                .setPlotGridLinesStroke(new BasicStroke(1))
                .setAxisTickLabelsFont(new Font(FONT, Font.PLAIN, 11))
                .setAxisTitleFont(new Font(FONT, Font.PLAIN, 12))
                .setPlotBorderVisible(false);
    }

    /** Lets both axes begin at zero and end a little beyond a value. */
    void from0(double xMost, double yMost) {
        chart.getStyler()
                .setXAxisMin(0.0)
                .setXAxisMax(xMost * 1.05)
                .setYAxisMin(0.0)
                .setYAxisMax(yMost * 1.05);
    }

    /** Lets the upright axis begin at zero. */
    void yFrom0() {
        chart.getStyler().setYAxisMin(0.0);
    }

    /** Adds points that a line joins, from left to right. */
    void line(String name, double[] x, double[] y) {
        chart.addSeries(name, x, y).setMarker(SeriesMarkers.CIRCLE).setLineWidth(2);
    }

    /** Adds points. */
    void points(String name, double[] x, double[] y) {
        XYSeries series = chart.addSeries(name, x, y);
        series.setXYSeriesRenderStyle(XYSeriesRenderStyle.Scatter);
        series.setMarker(SeriesMarkers.CIRCLE);
    }

    /** Adds a dashed line behind which nothing was measured. */
    void auxiliary(String name, double[] x, double[] y) {
        chart.addSeries(name, x, y)
                .setMarker(SeriesMarkers.NONE)
                .setLineColor(AUXILIARY)
                .setLineStyle(
                        new BasicStroke(1.5f, BasicStroke.CAP_BUTT, BasicStroke.JOIN_ROUND, 10, new float[] {5}, 0));
    }

    /**
     * Returns an {@code svg} element.
     *
     * @param id begins the names of all that is defined in it, so that several can stand on one page
     */
    String svg(String id) {
        SVGGraphics2D graphics = graphics(id);
        chart.paint(graphics, WIDTH, HEIGHT);
        graphics.setSVGCanvasSize(new Dimension(WIDTH, HEIGHT));
        Element root = graphics.getRoot();
        root.setAttribute("viewBox", "0 0 " + WIDTH + " " + HEIGHT);
        StringWriter out = new StringWriter();
        try {
            graphics.stream(root, out, true, false);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        String document = out.toString();
        return document.substring(document.indexOf("<svg"))
                .replace("\"genericDefs\"", "\"" + id + "-defs\"")
                .replace("'Dialog'", "sans-serif");
    }

    private static SVGGraphics2D graphics(String id) {
        try {
            Document document = DocumentBuilderFactory.newDefaultInstance()
                    .newDocumentBuilder()
                    .getDOMImplementation()
                    .createDocument("http://www.w3.org/2000/svg", "svg", null);
            SVGGeneratorContext context = SVGGeneratorContext.createDefault(document);
            context.setComment(null);
            context.setIDGenerator(new SVGIDGenerator() {
                @Override
                public String generateID(String prefix) {
                    return id + "-" + super.generateID(prefix);
                }
            });
            return new SVGGraphics2D(context, false);
        } catch (ParserConfigurationException e) {
            throw new AssertionError("the default parser needs no configuration", e);
        }
    }
}
