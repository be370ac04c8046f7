"""Where things are, for bench/paths: public cloud regions and large cities, to a tenth of a degree.

The regions are those that large public clouds name after a metropolitan area or a state; the place
is that area's, since no cloud says where its buildings are.  The cities stand for correspondents.
"""

from __future__ import annotations

from typing import NamedTuple


class Site(NamedTuple):
    name: str
    latitude: float  # degrees, north
    longitude: float  # degrees, east


REGIONS = [Site(*each) for each in (
    ("Northern Virginia", 39.0, -77.5), ("Ohio", 40.0, -83.0), ("Northern California", 37.4, -121.9),
    ("Oregon", 45.8, -119.7), ("Montreal", 45.5, -73.6), ("Calgary", 51.0, -114.1),
    ("Queretaro", 20.6, -100.4), ("Sao Paulo", -23.5, -46.6), ("Santiago", -33.4, -70.7),
    ("Dublin", 53.3, -6.3), ("London", 51.5, -0.1), ("Paris", 48.9, 2.4), ("Frankfurt", 50.1, 8.7),
    ("Zurich", 47.4, 8.5), ("Milan", 45.5, 9.2), ("Madrid", 40.4, -3.7), ("Stockholm", 59.3, 18.1),
    ("Warsaw", 52.2, 21.0), ("Cape Town", -33.9, 18.4), ("Tel Aviv", 32.1, 34.8),
    ("Bahrain", 26.1, 50.6), ("Dubai", 25.2, 55.3), ("Mumbai", 19.1, 72.9), ("Hyderabad", 17.4, 78.5),
    ("Singapore", 1.4, 103.8), ("Jakarta", -6.2, 106.8), ("Hong Kong", 22.3, 114.2),
    ("Taipei", 25.0, 121.5), ("Seoul", 37.6, 127.0), ("Tokyo", 35.7, 139.7), ("Osaka", 34.7, 135.5),
    ("Sydney", -33.9, 151.2), ("Melbourne", -37.8, 145.0), ("Auckland", -36.8, 174.8),
)]

CITIES = [Site(*each) for each in (
    ("Tokyo", 35.7, 139.7), ("Delhi", 28.6, 77.2), ("Shanghai", 31.2, 121.5), ("Dhaka", 23.8, 90.4),
    ("Sao Paulo", -23.5, -46.6), ("Cairo", 30.0, 31.2), ("Mexico City", 19.4, -99.1),
    ("Beijing", 39.9, 116.4), ("Mumbai", 19.1, 72.9), ("Osaka", 34.7, 135.5), ("Karachi", 24.9, 67.0),
    ("Chongqing", 29.6, 106.6), ("Kinshasa", -4.3, 15.3), ("Lagos", 6.5, 3.4), ("Istanbul", 41.0, 29.0),
    ("Buenos Aires", -34.6, -58.4), ("Kolkata", 22.6, 88.4), ("Manila", 14.6, 121.0),
    ("Guangzhou", 23.1, 113.3), ("Rio de Janeiro", -22.9, -43.2), ("Lahore", 31.5, 74.4),
    ("Bangalore", 13.0, 77.6), ("Moscow", 55.8, 37.6), ("Bogota", 4.7, -74.1), ("Paris", 48.9, 2.4),
    ("Jakarta", -6.2, 106.8), ("Chennai", 13.1, 80.3), ("Lima", -12.0, -77.0), ("Bangkok", 13.8, 100.5),
    ("Seoul", 37.6, 127.0), ("Hyderabad", 17.4, 78.5), ("London", 51.5, -0.1), ("Tehran", 35.7, 51.4),
    ("Chicago", 41.9, -87.6), ("New York", 40.7, -74.0), ("Ho Chi Minh City", 10.8, 106.7),
    ("Luanda", -8.8, 13.2), ("Kuala Lumpur", 3.1, 101.7), ("Hong Kong", 22.3, 114.2),
    ("Riyadh", 24.7, 46.7), ("Santiago", -33.4, -70.7), ("Baghdad", 33.3, 44.4),
    ("Singapore", 1.4, 103.8), ("Madrid", 40.4, -3.7), ("Toronto", 43.7, -79.4), ("Miami", 25.8, -80.2),
    ("Dar es Salaam", -6.8, 39.3), ("Belo Horizonte", -19.9, -43.9), ("Houston", 29.8, -95.4),
    ("Dallas", 32.8, -96.8), ("Khartoum", 15.5, 32.6), ("Johannesburg", -26.2, 28.0),
    ("Los Angeles", 34.1, -118.2), ("San Francisco", 37.8, -122.4), ("Seattle", 47.6, -122.3),
    ("Denver", 39.7, -105.0), ("Atlanta", 33.7, -84.4), ("Vancouver", 49.3, -123.1),
    ("Barcelona", 41.4, 2.2), ("Rome", 41.9, 12.5), ("Milan", 45.5, 9.2), ("Berlin", 52.5, 13.4),
    ("Vienna", 48.2, 16.4), ("Warsaw", 52.2, 21.0), ("Kyiv", 50.5, 30.5), ("Athens", 38.0, 23.7),
    ("Stockholm", 59.3, 18.1), ("Helsinki", 60.2, 24.9), ("Oslo", 59.9, 10.8), ("Dublin", 53.3, -6.3),
    ("Lisbon", 38.7, -9.1), ("Casablanca", 33.6, -7.6), ("Nairobi", -1.3, 36.8), ("Accra", 5.6, -0.2),
    ("Addis Ababa", 9.0, 38.7), ("Tashkent", 41.3, 69.2), ("Novosibirsk", 55.0, 82.9),
    ("Almaty", 43.2, 76.9), ("Taipei", 25.0, 121.5), ("Hanoi", 21.0, 105.8), ("Perth", -31.9, 115.9),
    ("Sydney", -33.9, 151.2), ("Melbourne", -37.8, 145.0), ("Brisbane", -27.5, 153.0),
    ("Auckland", -36.8, 174.8), ("Honolulu", 21.3, -157.9), ("Anchorage", 61.2, -149.9),
    ("Panama City", 9.0, -79.5), ("Caracas", 10.5, -66.9), ("Quito", -0.2, -78.5),
    ("Montevideo", -34.9, -56.2), ("Reykjavik", 64.1, -21.9),
)]
